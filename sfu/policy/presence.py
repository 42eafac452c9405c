"""When a participant is removed: some time after both its WebSocket and its media ended."""


def departs_at(signal_gone: float | None, media_gone: float | None, window: float) -> float | None:
    """Returns when a participant is removed. None: it stays. The first arguments are the times at which its WebSocket
    and its media ended; None: it still exists."""
    if signal_gone is None or media_gone is None:
        return None
    return max(signal_gone, media_gone) + window
