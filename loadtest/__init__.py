"""Participants from outside: aiortc clients that play, record and check pictures. They share no media code with us."""
