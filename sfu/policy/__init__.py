"""Policies as pure functions: no clock, no I/O, no room. Time is an argument, in seconds."""
