"""The client for asyncio. `sfu_client/sync` is made from this folder by `scripts/make-sync-client`."""
