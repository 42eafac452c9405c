"""Test clients: aiortc participants that play, record and check pictures. They share no media code with the server."""
