"""Every default of the service, once, with unit and reason. Reads no environment: `api/settings.py` does that."""

from dataclasses import dataclass, field

from sfu import limits
from sfu.model import RoomOptions


@dataclass(frozen=True, slots=True)
class Silence:
    """How long nothing authenticated may come from a peer before its media is `disconnected`; seconds.

    Audio RTCP comes every 5 s, consent checks of Firefox and aiortc every 4 to 6 s: only a peer that is owed
    transport-wide feedback can be given up sooner.
    """

    with_feedback: float = 4.0
    shortest: float = 8.0
    longest: float = 15.0
    factor: float = 2.5
    """Times the longest gap of the last minute, between `shortest` and `longest`."""


@dataclass(frozen=True, slots=True)
class DataLimits:
    """Bounds of one participant's data channels; octets unless said otherwise."""

    channels: int = limits.DATA_CHANNELS
    message: int = limits.DATA_MESSAGE_OCTETS
    messages_per_second: int = limits.DATA_MESSAGES_PER_SECOND
    message_burst: int = limits.DATA_MESSAGE_BURST
    buffered: int = 256 * 1024
    """Queued and unacknowledged: beyond it the association's window sticks at one MTU after a time-out."""
    receive_window: int = 512 * 1024
    backlog_octets: int = 100_000
    """Reliable messages kept for a channel that is still opening."""
    backlog_age: float = 2.0
    """Seconds."""
    server_messages: int = 64
    """Messages for the server that wait for Python; behind them the sender's window closes."""


@dataclass(frozen=True, slots=True)
class Config:
    """What an `Sfu` is told once."""

    hosts: tuple[str, ...] = ("127.0.0.1",)
    """Addresses the UDP sockets are bound to. `0.0.0.0` and `::` stand for all of their family."""
    udp_port: int = 7882
    """Worker i has port `udp_port + i`. 0: any free port."""
    workers: int = 1
    """Packet threads; a room lives on one of them."""
    announced_addresses: tuple[str, ...] = ()
    """Host candidates of the answers, in this order, after the one that a participant has reached already. Empty: the
    first address the sockets are bound to."""
    seed: int | None = None
    """Decides every random number of the plane but keys and tags. None: a fresh one."""
    version: str = "0.1.0"
    """What clients are told in `joined`."""

    silence: Silence = field(default_factory=Silence)
    data: DataLimits = field(default_factory=DataLimits)

    room: RoomOptions = field(default_factory=RoomOptions)
    """What a room made on demand is made with."""
    create_on_demand: bool = True
    """A join makes its room."""

    resume_window: float = 30.0
    """Seconds in which a cut connection may come back, and after which a participant without media goes."""
    drain_limit: float = 60.0
    """Seconds that those inside have when a drain begins."""
    tick: float = 0.2
    """Seconds between looks at what is due: half an observation window of the speaking indication."""
    outbox: int = limits.OUTBOX_MESSAGES
    """Messages kept for a participant: what a resume can replay, and how far a slow reader may fall behind."""
    revocation: float = 86_400.0
    """Seconds for which a revocation is remembered at least. Tokens that were seen are refused until they expire, but
    others of the same age, which nobody has shown, may live longer."""

    max_rooms: int = limits.ROOMS
    max_rooms_per_key: int = limits.ROOMS
    """Made with one API key, at the same time."""
    max_participants_per_key: int = limits.PARTICIPANTS_PER_KEY
    joins_per_key: int = limits.JOINS_PER_KEY
    """A second; twice as many at once."""
    joins_per_address: int = limits.JOINS_PER_ADDRESS
    """A second; twice as many at once."""
    viewers_per_token: int = limits.VIEWERS_PER_TOKEN
    """WHEP sessions of one `sub` in a room. A token's claim may raise it."""
    max_tracks: int = limits.TRACKS
    """A participant may publish."""
    redundancy: int = 1
    """So many packets of sound (0 to 2) go along with the one after them, to those who take RED (RFC 2198): one makes
    up for single losses, and doubles the bit rate of sound."""
    max_slots: int = limits.SLOTS
    """Receive sections of each kind that a participant is asked to offer, at most."""
