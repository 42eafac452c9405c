"""The history of the rooms: their facts as events, numbered, kept in SQLite, and read again by backends.

`recorder.py` turns facts into events. `history.py` numbers them and hands them to the thread of `writer.py`, which
alone uses the database of `store.py`. A reader asks for the events after a place, so a slow one keeps nothing waiting.
"""
