"""The envelope of our data channels: one byte n, n bytes of ASCII that name the other end, then the payload."""

SERVER = "server"
"""The destination, and the sender, that is the server itself."""


def seal(name: str, payload: bytes) -> bytes:
    """`name`: a participant's sid, `server`, or empty for everybody."""
    address = name.encode("ascii")
    return bytes([len(address)]) + address + payload


def unseal(message: bytes) -> tuple[str, bytes]:
    """The other end and the payload. Raises ValueError."""
    if not message or len(message) < 1 + message[0]:
        raise ValueError(f"a message of {len(message)} octets is shorter than its envelope")
    end = 1 + message[0]
    return message[1:end].decode("ascii"), message[end:]
