"""How long a participant is present: while its WebSocket or its media exists, and for a time after both."""


def departs_at(signal_gone: float | None, media_gone: float | None, window: float) -> float | None:
    """Returns when a participant is removed whose WebSocket and media ended at these times (None: it exists). None: it
    stays."""
    if signal_gone is None or media_gone is None:
        return None
    return max(signal_gone, media_gone) + window
