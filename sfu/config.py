"""The defaults of the service, with units and reasons. Does not read the environment: `api/settings` does."""

from dataclasses import dataclass, field

from sfu import limits
from sfu.model import IceServer, RoomOptions


@dataclass(frozen=True, slots=True)
class Silence:
    """Seconds without an authenticated packet after which the media of a peer is `disconnected`.

    Audio RTCP comes every 5 s, consent checks of Firefox and aiortc every 4 to 6 s. Only a peer that owes
    transport-wide feedback can be given up earlier.
    """

    with_feedback: float = 4.0
    shortest: float = 8.0
    longest: float = 15.0
    factor: float = 2.5
    """The limit is this many times the longest gap of the last minute, but within `shortest` and `longest`."""


@dataclass(frozen=True, slots=True)
class DataLimits:
    """Limits of the data channels of one participant, in octets unless stated otherwise."""

    channels: int = limits.DATA_CHANNELS
    message: int = limits.DATA_MESSAGE_OCTETS
    messages_per_second: int = limits.DATA_MESSAGES_PER_SECOND
    message_burst: int = limits.DATA_MESSAGE_BURST
    buffered: int = 256 * 1024
    """Octets queued and unacknowledged. With more, the association's window stays at one MTU after a time-out."""
    receive_window: int = 512 * 1024
    backlog_octets: int = 100_000
    """Reliable messages stored for a channel that is still opening."""
    backlog_age: float = 2.0
    """Seconds."""
    server_messages: int = 64
    """Messages for the server that wait for Python. Beyond that the sender's SCTP window closes."""


@dataclass(frozen=True, slots=True)
class TurnServers:
    """TURN servers with which the service shares a secret (coturn: `use-auth-secret`)."""

    urls: tuple[str, ...] = ()
    """Empty: there are none."""
    secret: str = field(default="", repr=False)
    ttl: int = limits.TURN_TTL
    """Seconds for which the credentials of a participant are valid. They are renewed at half of this time."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of events."""

    name: str
    url: str
    key: str = ""
    """The API key whose secret signs what is sent."""
    secret: str = field(default="", repr=False)
    """The key of Standard Webhooks, `whsec_…`. Empty: the secret of `key`."""
    events: tuple[str, ...] = ()
    """The types that it gets. Empty: all."""
    rooms: str = "*"
    """The names of the rooms whose events it gets, as a pattern with `*`, `?` and `[…]`."""
    private: bool = False
    """Its address may be private."""


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of an `Sfu`."""

    hosts: tuple[str, ...] = ("127.0.0.1",)
    """Addresses of the UDP sockets. `0.0.0.0` and `::` stand for all addresses of their family."""
    udp_port: int = 7882
    """Worker i uses port `udp_port + i`. 0: any free port."""
    tcp_port: int | None = None
    """The TCP port of all workers, for clients without UDP (RFC 6544). 0: any free port. None: no TCP."""
    workers: int = 1
    """The number of packet threads. A room is on one of them."""
    announced_addresses: tuple[str, ...] = ()
    """Host candidates of answers, in this order, after the address that the participant has reached already. Empty: the
    first address of the sockets."""
    seed: int | None = None
    """The seed of the plane's random numbers, except keys and tags. None: a new one."""
    trace: str = ""
    """The decisions of the plane that are logged under `sfu.plane.trace`: see `PlaneConfig.trace`. Empty: none."""
    turn: TurnServers = field(default_factory=TurnServers)
    ice_servers: tuple[IceServer, ...] = ()
    """Other ICE servers of clients, with constant credentials or none."""
    captures: bool = False
    """The administrator may capture clear media."""
    version: str = "0.1.0"
    """The version that `joined` reports."""

    silence: Silence = field(default_factory=Silence)
    data: DataLimits = field(default_factory=DataLimits)

    room: RoomOptions = field(default_factory=RoomOptions)
    """The options of a room that a join creates."""
    create_on_demand: bool = True
    """True: a join creates its room."""

    resume_window: float = 30.0
    """Seconds in which a session can be resumed, and after which a participant without media is removed."""
    drain_limit: float = 60.0
    """Seconds that present participants have during a drain."""
    tick: float = limits.NEWS_SECONDS
    """Seconds between two ticks: half an observation window of the speaking indication. Messages about others leave
    with it in large rooms."""
    outbox: int = limits.OUTBOX_MESSAGES
    """Messages stored per participant: what a resume can replay, and how far a slow reader may fall behind."""
    revocation: float = 86_400.0
    """The least seconds for which a revocation is stored. Tokens that were seen are refused until they expire, but
    unseen ones of the same age may live longer."""

    node: str = ""
    """The name of this process in events."""
    state_dir: str = ""
    """The folder of the database of events. Empty: they are kept in memory."""
    event_age: float = limits.EVENT_AGE
    """Seconds for which events are kept."""
    event_octets: int = limits.EVENT_OCTETS
    """Octets of the events that are kept."""
    webhooks: tuple[Webhook, ...] = ()

    max_rooms: int = limits.ROOMS
    max_rooms_per_key: int = limits.ROOMS
    """Rooms of one API key at a time."""
    max_participants_per_key: int = limits.PARTICIPANTS_PER_KEY
    joins_per_key: int = limits.JOINS_PER_KEY
    """Joins per second; twice as many at once."""
    joins_per_address: int = limits.JOINS_PER_ADDRESS
    """Joins per second; twice as many at once."""
    viewers_per_token: int = limits.VIEWERS_PER_TOKEN
    """WHEP sessions of one `sub` in a room. A claim of the token may raise it."""
    max_tracks: int = limits.TRACKS
    """Tracks that a participant may publish."""
    redundancy: int = 2
    """The most earlier audio packets (0 to 2) in each packet to subscribers that accept RED (RFC 2198) and lose
    packets. One recovers single losses, and doubles the bit rate of audio."""
    max_slots: int = limits.SLOTS
    """The most receive sections of each kind that a participant is asked to offer."""
