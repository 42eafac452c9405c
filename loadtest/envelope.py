"""The envelope of our data channels: one byte n, n bytes of ASCII that name the peer, then the payload."""

SERVER = "server"
"""The name of the server as destination and as sender."""


def seal(name: str, payload: bytes) -> bytes:
    """Returns a message with its envelope. `name`: a participant's sid, `server`, or empty for everybody."""
    address = name.encode("ascii")
    return bytes([len(address)]) + address + payload


def unseal(message: bytes) -> tuple[str, bytes]:
    """Returns the name of the peer and the payload. Raises ValueError."""
    if not message or len(message) < 1 + message[0]:
        raise ValueError(f"a message of {len(message)} octets is shorter than its envelope")
    end = 1 + message[0]
    return message[1:end].decode("ascii"), message[end:]
