# Made from aio/__init__.py by scripts/make-sync-client.
"""The client without asyncio. Made from `aio`."""
