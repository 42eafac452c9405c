"""Rooms: participants, published tracks, subscriptions, moderation and events."""
