"""Signalling: our WebSocket protocol as data, sessions over it, and the sessions of WHIP and WHEP."""
