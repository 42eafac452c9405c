"""The table of limits of the Python side: what one request, client, key or address may cost us.

Each row says why the number is what it is, and where it comes from (`Source:`). The packet plane has its own table,
`sfu/plane/core/src/limits.rs`; a name that is in both has the same value in both. `tests/sfu/test_limits.py` checks
that, and that the rows do not contradict one another. A row that an operator may change is the default of a setting
in `api/settings`.
"""

# ----------------------------------------------------------------------------------------------- one message or body

MESSAGE_OCTETS = 256 * 1024
"""Of one WebSocket message. An offer of 40 video sections of Chromium (7 KB each) fits.
Source: `tests/data/sdp`; a longer message ends the connection with 1009 (RFC 6455 s7.4.1)."""
BODY_OCTETS = 256 * 1024
"""Of one HTTP body: what may be said over the WebSocket may be said over WHIP.
Source: MESSAGE_OCTETS."""
REQUEST_LINE_OCTETS = 64 * 1024
"""Of a request line: a token in the query may carry metadata.
Source: METADATA_OCTETS."""

# --------------------------------------------------------------------------------------------------------------- SDP

SDP_OCTETS = 256 * 1024
"""Of one offer. A longer one reaches us by no door.
Source: MESSAGE_OCTETS, BODY_OCTETS."""
SDP_SECTIONS = 256
"""Sections of one offer: SLOTS of each kind. Browsers need seconds to negotiate so many.
Source: SLOTS."""
SDP_IDENTIFICATION = 16
"""Characters of a MID or RID.
Source: RFC 8285 s4.2, the one-byte header extension in which they travel."""
SDP_LINE = 16 * 1024
"""Characters of a line that is looked at: a BUNDLE group of SDP_SECTIONS mids has at most 4.3 kB of them.
Source: ours; libwebrtc bounds no line."""
SDP_LINES = 2048
"""Attributes of one section, or of the session, that are looked at.
Source: `tests/data/sdp`, five times what the longest section has."""
SDP_MID = 255
"""Characters of a MID that travels in no packet: above SDP_IDENTIFICATION it has no header extension.
Source: `_native.pyi`."""
SDP_FORMATS = 256
"""Formats of one m-line, and lines about them: twice the 128 payload types.
Source: RFC 3550 s5.1."""
SDP_CODECS = 40
"""Payload types of one section that are answered, their retransmissions not counted; the first of the m-line.
Source: `tests/data/sdp`; Chromium offers 22 with every decoder of every platform."""
SDP_ALL_CODECS = 800
"""Payload types of all different sections of one offer; sections that list the same count once.
Source: the 22 of Chromium in 36 sections that all differ; and an answer to as many takes 8 ms."""
SDP_AT_ONCE = 8 * 1024
"""Characters of an offer that is read in one go; a longer one is read in slices.
Source: measured, 3 ms at most."""
SDP_SLICE = 0.002
"""Seconds for which the loop waits while a long offer is read.
Source: ours; a tenth of the 20 ms of a packet of sound, in which signalling may be late."""
SDP_PREVIOUS = 32 * 1024 * 1024
"""Octets, about, of the last offers of participants, whose sections are not parsed and answered again.
Source: ours; those of two hundred browsers with 17 sections. A participant offers again soon or seldom."""
SDP_HEADS = 2 * 1024 * 1024
"""Octets, about, of the lines that stand before the mids of sections, which each offer repeats.
Source: ours; four kinds of heads of two hundred offers."""
SDP_COMMON = 4 * 1024 * 1024
"""Octets, about, of what sections of equal codecs and extensions share, for offers and for answers.
Source: ours; a hundred kinds and versions of browsers with 40 codecs, four kinds of sections each."""
SDP_FEEDBACK_LINES = 1024
"""Lines of a=rtcp-fb of one section: eight for each of 128 payload types.
Source: libwebrtc writes up to five."""
SDP_FEEDBACK = 64
"""Characters of one such line, and kinds of feedback that are said of all payload types at once.
Source: RFC 4585 s4.2; the longest in use is `ccm tmmbr smaxpr=`."""
SDP_PARAMETERS = 64
"""Parameters of one a=fmtp.
Source: RFC 7798 s7.1 has 30."""
SDP_FORMAT_PARAMETER_SETS = 8
"""Parameter sets of H.264 or H.265 of one payload type. Encoders have two to six. Source: ours."""

SDP_PARAMETER_SETS = 64
"""Parameter sets of one section. Source: SDP_PARAMETER_SETS of the packet plane."""

SDP_PARAMETER_SET = 1_000
"""Octets of one of them: it leaves in one packet. Source: PARAMETER_SETS of the packet plane."""

SDP_EXTENSIONS = 64
"""Lines of a=extmap on one level. Those of the session level count in every section.
Source: `tests/data/sdp`; browsers write up to 16."""
SDP_EXTENSION_ATTRIBUTES = 64
"""Characters of the attributes of one a=extmap, which stand in the answer of every section.
Source: RFC 6464 s4 has `vad=on`."""
SDP_RIDS = 64
"""Lines of a=rid, streams of a=simulcast, and alternatives of a stream.
Source: ours; SDP_ENCODINGS are used."""
SDP_RESTRICTIONS = 512
"""Characters of the restrictions of one a=rid: `pt=` fits with every payload type.
Source: RFC 8851 s5."""
SDP_SOURCES = 512
"""Lines of a=ssrc of one section.
Source: four for each of SDP_ENCODINGS and its retransmissions, eight times over."""
SDP_GROUPS = 64
"""Lines of a=ssrc-group of one section, and members of one.
Source: SDP_ENCODINGS, eight times over."""
SDP_FINGERPRINTS = 16
"""Lines of a=fingerprint: one for each hash function and certificate.
Source: RFC 8122 s5; clients write one."""
SDP_ENCODINGS = 8
"""Encodings of one section: browsers send three (libwebrtc: kMaxSimulcastStreams), native publishers a few more.
Source: ours."""
SDP_REPAIRS = 64
"""FID lines of one section that are followed: of Plan B, which had all cameras of a room in one section.
Source: ours."""
FRAGMENT_OCTETS = 128 * 1024
"""Of one trickle ICE fragment: candidates of every interface of a machine, and no codecs.
Source: ours; ten candidates for each of a hundred sections fit."""

# ------------------------------------------------------------------------------------------------- names and texts

NAME_CHARACTERS = 256
"""Of a room name, an identity, a display name, a track name, an attribute's key.
Source: ours, and what other SFUs allow."""
METADATA_OCTETS = 64 * 1024
"""Of UTF-8, of metadata, and of all attributes together. Every member of a room is sent it.
Source: DATA_MESSAGE_OCTETS, the other way to send something to everybody."""
ATTRIBUTES = 256
"""Attributes of a participant.
Source: METADATA_OCTETS, at 256 octets each."""
LOUDEST = 1000
"""Microphones that a room may forward at a time: nobody can hear more apart.
Source: the ranking's cost, `receive/loudest.rs`."""
ON_STAGE = 256
"""Identities in `on_stage` of a room.
Source: more than SLOTS are never shown at a time."""

# -------------------------------------------------------------------------------------------------------- one picture

PIXELS = 65_535
"""Width or height of a picture.
Source: RFC 6386 s9.1 and the AV1 specification s5.5 have no more."""
FPS = 1000.0
"""Frames a second.
Source: ours; no camera or screen has more."""
PRIORITY = 255
"""Of a track among others: one octet over the seam.
Source: `_native.pyi`."""

# ----------------------------------------------------------------------------------------------------- one participant

TRACKS = 64
"""That one participant may publish.
Source: ours; with SDP_ENCODINGS it makes the 1,024 SSRCs that the packet plane follows (`limits.rs`)."""
SLOTS = 128
"""Receive sections of each kind that a participant is asked to offer, at most.
Source: ours; two pages of 64 tiles."""
OUTBOX_MESSAGES = 256
"""Messages kept for a participant: what a resume can replay, and how far a slow reader may fall behind.
Source: ours; the resume window of 30 s at eight messages a second."""

OUTBOX_OCTETS = 4 * 1024 * 1024
"""Of those messages, beside the oldest: a reader that is further behind is let go, and a resume gets a snapshot.
Source: ours; everybody of a room of sixty changes metadata of the full size."""

SMALL_ROOM = 50
"""Participants of a room in which everybody receives at once what others do.
Source: measured; a message to 50 takes 1 ms, and each join causes three."""
NEWS_SECONDS = 0.2
"""For which messages about others wait in a larger room, so that each client receives one for all of them.
Source: ours; the tick of the service, with which they leave. A join and its offer and media take about as long."""
NEWS_OCTETS = 256 * 1024
"""Of one such message, about; the others of a class that joins at once follow in the next.
Source: MESSAGE_OCTETS, which we ask of clients."""
SPEECH_SECONDS = 0.5
"""Between two messages about speakers, or two dominant speakers, in such a room.
Source: ours; a tile that follows the speaker for less than half a second is restless."""

# ----------------------------------------------------------------------------------------------------- our own words

QUOTE_CHARACTERS = 64
"""Of a client's text that a sentence of ours repeats: enough to know it again.
Source: ours; a refusal is shorter than what it refuses."""
REQUEST_ID = 2**53 - 1
"""Of a request, the largest and the smallest `id`.
Source: RFC 7493 s2.2, the integers that every JSON reader keeps exact."""
FAULTS = 16
"""Places of one request that a refusal names: who sent more has made the same mistake often.
Source: ours."""

# --------------------------------------------------------------------------------------------------------------- data

DATA_CHANNELS = 64
"""Of one participant.
Source: ours; a page opens a handful."""
DATA_MESSAGE_OCTETS = 64 * 1024
"""Of one message of a data channel.
Source: RFC 8841 s6.1, the size where nothing is said."""
DATA_MESSAGES_PER_SECOND = 200
"""Of one participant, for long; each goes to everybody in its room.
Source: ours; a cursor at 60 Hz, three times over."""
DATA_MESSAGE_BURST = 400
"""Messages at once.
Source: two seconds of DATA_MESSAGES_PER_SECOND."""

# ------------------------------------------------------------------------------------------------------------ doors

CONNECTIONS = 10_000
"""TCP connections at the same time.
Source: ours; each costs two file descriptors at most, and 20 kB."""
CONNECTIONS_PER_ADDRESS = 64
"""Connections of one address on which no token was found good yet.
Source: ours; a browser opens six, and a school behind one address joins one after another."""
UNSETTLED = 16
"""Times that bound while they are younger than SETTLE_SECONDS: beyond it a connection is refused at once.
Source: ours; a thousand who join in the same second."""
SETTLE_SECONDS = 1.0
"""For a connection to say who it is before it counts as idle.
Source: ours; three round trips of a bad mobile network."""
HEADER_OCTETS = 64 * 1024
"""Of request line and headers, trailers too.
Source: REQUEST_LINE_OCTETS; other servers allow 8 to 64 KB."""
HEADER_SECONDS = 10.0
"""Within which the headers of a request, or a TLS handshake, must be complete.
Source: ours; three resends of TCP."""
BODY_SECONDS = 30.0
"""Within which a body must be complete.
Source: BODY_OCTETS at 70 kbit/s."""
REQUEST_OCTETS = 4 * 1024 * 1024
"""Of one request with all its framing: one octet may be sent as a chunk of six.
Source: BODY_OCTETS and HEADER_OCTETS, RFC 9112 s7.1."""
FIRST_MESSAGE_SECONDS = 5.0
"""Within which a WebSocket's first message must come.
Source: ours; one round trip is enough."""
FIRST_MESSAGE_OCTETS = 64 * 1024
"""Of it: a join is small.
Source: HEADER_OCTETS."""
FRAGMENTS = 1024
"""Frames of one WebSocket message.
Source: ours; RFC 6455 s5.4 has no bound, and an empty frame costs memory."""
CONTROL_FRAMES_PER_SECOND = 10.0
"""Pings of one WebSocket, for long.
Source: ours; clients ping every few seconds."""
CONTROL_FRAME_BURST = 100.0
"""Pings at once.
Source: ten seconds of CONTROL_FRAMES_PER_SECOND."""
MESSAGES_PER_SECOND = 50.0
"""Messages that a client may send over its WebSocket for long.
Source: ours; ten times what a busy page does."""
MESSAGE_BURST = 200.0
"""Messages at once: a page that opens with 128 tiles says what it wants of each.
Source: SLOTS."""
COST_OCTETS = 16 * 1024
"""So many octets of a message cost as much of MESSAGES_PER_SECOND as a message more.
Source: reading 16 KB of JSON takes about as long as the smallest request."""
COST_SECTIONS = 25
"""So many sections of an offer cost as much of MESSAGES_PER_SECOND as a message more.
Source: measured, an offer of 250 sections takes 13 ms; at the rate this allows that is less than a tenth of a core."""
WISHES = 256
"""Tracks of one message `settings`.
Source: SLOTS of both kinds."""

TURN_OCTETS = 64 * 1024
"""Of frames to one WebSocket that wait for the end of a turn of the event loop; then they leave before it.
Source: the size above which asyncio's transports ask to write no more."""
ENCODED_OCTETS = 16 * 1024 * 1024
"""Of participants that are kept as encoded, with their texts; the others are encoded again for the next joiner.
Source: ours; the participants of a room of ten thousand."""
CLOSE_SECONDS = 2.0
"""For a close frame to leave: a peer that reads nothing takes none.
Source: ours; one resend of TCP."""

# ------------------------------------------------------------------------------------------------------- the service

JOINS_PER_KEY = 500
"""Joins a second with one API key, for long; twice as many at once.
Source: ours; what one process can let in while its calls go on."""
JOINS_PER_ADDRESS = 200
"""Joins a second of one address, for long; twice as many at once.
Source: ours; a school behind one NAT that joins within seconds."""
ADDRESSES = 100_000
"""Keys or addresses whose joins are remembered; those that asked for nothing for two seconds are forgotten.
Source: ours; 20 MB."""
PARTICIPANTS_PER_KEY = 50_000
"""At the same time.
Source: ours; more than one process serves, so a bound for those who share it."""
ENDED_SECONDS = 60.0
"""For which a WHIP or WHEP session that ended by itself can still be deleted.
Source: ours; client libraries close their peer connection first, and throw at a 404."""
ENDED_SESSIONS = 10_000
"""That are remembered for it.
Source: ours; 160 that end each second."""
LIST_PAGE = 500
"""Rooms, participants or tracks of one reply.
Source: ours; 500 participants are 10 ms of the event loop."""
LIST_OCTETS = 1024 * 1024
"""Of one reply, about: a page ends with the entry that reaches it. Metadata, attributes, the identities of viewers
and decisions make an entry as much as 64 KB and more.
Source: LIST_PAGE entries of 2 KB; 10 ms of the event loop."""
RETRY_SECONDS = 5
"""The `Retry-After` of a service that is full.
Source: ours; people leave all the time."""
VIEWERS_PER_TOKEN = 50
"""WHEP sessions of one `sub` in a room at the same time; a claim may raise it. Each has a transport of its own.
Source: ours; the tabs and devices of a class. An audience gets a token each, or the claim."""
TAKEOVERS = 2
"""WHIP sessions of one identity within TAKEOVER_SECONDS; the next would replace one that is still sending.
Source: ours; an encoder that is started anew once."""
TAKEOVER_SECONDS = 10.0
"""See TAKEOVERS.
Source: ours; encoders reconnect after 1 to 5 s (OBS: 2 s at first)."""
REVOCATIONS = 100_000
"""Identities whose tokens of before are refused, in all rooms together: 30 MB. Beyond it one is forgotten.
Source: ours; a removal each second, for a day."""
READMISSIONS = 16
"""Tokens that are named one by one for the identity of a revocation. Beyond it the oldest no longer counts.
Source: ours; one a device."""
CAPTURE_OCTETS = 64 << 20
"""Of a capture of clear packets: so many wait for a reader that stalls.
Source: ours; 25 s of 20 Mbit/s."""
CAPTURE_SECONDS = 300
"""Of a capture: clear media is private, so a forgotten one ends.
Source: ours; time to repeat what a user complains of."""
ANNOUNCED_ADDRESSES = 16
"""Addresses of this machine that an answer lists, where SFU_HOST stands for all of them.
Source: ours; browsers pair each with each of their own (libwebrtc tries 100 pairs at most)."""
ROOMS = 10_000
"""At the same time.
Source: ours; every tick looks at each."""
