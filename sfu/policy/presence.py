"""How long a participant is present: while its WebSocket or its media lives, and a while after the later of them."""


def departs_at(signal_gone: float | None, media_gone: float | None, window: float) -> float | None:
    """When someone goes whose WebSocket and whose media went at these times (None: it lives). None: it stays."""
    if signal_gone is None or media_gone is None:
        return None
    return max(signal_gone, media_gone) + window
