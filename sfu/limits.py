"""The table of limits of the Python side: the most that one request, client, key or address may cost.

Each row says why the number is what it is, and where it comes from (`Source:`). The packet plane has its own table,
`sfu/plane/core/src/limits.rs`; a name that is in both has the same value in both. `tests/sfu/test_limits.py` checks
that, and that the rows do not contradict one another. A row that an operator may change is the default of a setting
in `api/settings`.
"""

# ----------------------------------------------------------------------------------------------- one message or body

MESSAGE_OCTETS = 256 * 1024
"""The longest WebSocket message. An offer of 40 video sections of Chromium (7 KB each) fits.
Source: `tests/data/sdp`; a longer message ends the connection with 1009 (RFC 6455 s7.4.1)."""
BODY_OCTETS = 256 * 1024
"""The longest HTTP body: an offer that the WebSocket accepts is accepted by WHIP, too.
Source: MESSAGE_OCTETS."""
REQUEST_LINE_OCTETS = 64 * 1024
"""The longest request line: a token in the query may contain metadata.
Source: METADATA_OCTETS."""

# --------------------------------------------------------------------------------------------------------------- SDP

SDP_OCTETS = 256 * 1024
"""The longest offer. No interface accepts a longer one.
Source: MESSAGE_OCTETS, BODY_OCTETS."""
SDP_SECTIONS = 256
"""Sections of one offer: SLOTS of each kind. Browsers need seconds to negotiate this many.
Source: SLOTS."""
SDP_IDENTIFICATION = 16
"""Characters of a MID or RID.
Source: RFC 8285 s4.2, the one-byte header extension that contains them."""
SDP_LINE = 16 * 1024
"""Characters of a line that is parsed: a BUNDLE group of SDP_SECTIONS mids has at most 4.3 kB of them.
Source: ours; libwebrtc has no limit."""
SDP_LINES = 2048
"""Attributes of one section, or of the session, that are parsed.
Source: `tests/data/sdp`, five times the number in the longest section."""
SDP_MID = 255
"""Characters of a MID that no packet contains: above SDP_IDENTIFICATION it has no header extension.
Source: `_native.pyi`."""
SDP_FORMATS = 256
"""Formats of one m-line, and lines about them: twice the 128 payload types.
Source: RFC 3550 s5.1."""
SDP_CODECS = 40
"""Payload types of one section that are answered, without their retransmissions: the first ones of the m-line.
Source: `tests/data/sdp`; Chromium offers 22 with every decoder of every platform."""
SDP_ALL_CODECS = 800
"""Payload types of all different sections of one offer. Sections with equal lists count once.
Source: 22 of Chromium in 36 sections that all differ; an answer to this many takes 8 ms."""
SDP_AT_ONCE = 8 * 1024
"""Characters of an offer that is read at once. A longer one is read in slices.
Source: measured, 3 ms at most."""
SDP_SLICE = 0.002
"""Seconds that one slice of a long offer may block the loop.
Source: ours; a tenth of the 20 ms of an audio packet. Signalling may be that late."""
SDP_PREVIOUS = 32 * 1024 * 1024
"""Approximate octets of the last offers of participants, whose sections need not be parsed and answered again.
Source: ours; two hundred browsers with 17 sections. A participant offers again soon or seldom."""
SDP_HEADS = 2 * 1024 * 1024
"""Approximate octets of the lines that precede the mids of sections, which each offer repeats.
Source: ours; four kinds of heads of two hundred offers."""
SDP_COMMON = 4 * 1024 * 1024
"""Approximate octets of the parts that sections of equal codecs and extensions share, of offers and of answers.
Source: ours; a hundred kinds and versions of browsers with 40 codecs, four kinds of sections each."""
SDP_FEEDBACK_LINES = 1024
"""Lines of a=rtcp-fb of one section: eight for each of 128 payload types.
Source: libwebrtc writes up to five."""
SDP_FEEDBACK = 64
"""Characters of one such line, and kinds of feedback that apply to all payload types.
Source: RFC 4585 s4.2; the longest in use is `ccm tmmbr smaxpr=`."""
SDP_PARAMETERS = 64
"""Parameters of one a=fmtp.
Source: RFC 7798 s7.1 has 30."""
SDP_FORMAT_PARAMETER_SETS = 8
"""Parameter sets of H.264 or H.265 of one payload type. Encoders have two to six.
Source: ours."""

SDP_PARAMETER_SETS = 64
"""Parameter sets of one section.
Source: SDP_PARAMETER_SETS of the packet plane."""

SDP_PARAMETER_SET = 1_000
"""Octets of one parameter set: it is sent in one packet.
Source: PARAMETER_SETS of the packet plane."""

SDP_EXTENSIONS = 64
"""Lines of a=extmap on one level. Those of the session level count in every section.
Source: `tests/data/sdp`; browsers write up to 16."""
SDP_EXTENSION_ATTRIBUTES = 64
"""Characters of the attributes of one a=extmap, which the answer repeats in every section.
Source: RFC 6464 s4 has `vad=on`."""
SDP_RIDS = 64
"""Lines of a=rid, streams of a=simulcast, and alternatives of a stream.
Source: ours; SDP_ENCODINGS are used."""
SDP_RESTRICTIONS = 512
"""Characters of the restrictions of one a=rid: `pt=` with every payload type fits.
Source: RFC 8851 s5."""
SDP_SOURCES = 512
"""Lines of a=ssrc of one section.
Source: eight times the four lines for each of SDP_ENCODINGS and its retransmissions."""
SDP_GROUPS = 64
"""Lines of a=ssrc-group of one section, and members of one line.
Source: eight times SDP_ENCODINGS."""
SDP_FINGERPRINTS = 16
"""Lines of a=fingerprint: one for each hash function and certificate.
Source: RFC 8122 s5; clients write one."""
SDP_ENCODINGS = 8
"""Encodings of one section: browsers send three (libwebrtc: kMaxSimulcastStreams), native publishers a few more.
Source: ours."""
SDP_REPAIRS = 64
"""FID lines of one section that are used. In Plan B one section had all cameras of a room.
Source: ours."""
FRAGMENT_OCTETS = 128 * 1024
"""The longest trickle ICE fragment: candidates of every interface of a machine, and no codecs.
Source: ours; ten candidates for each of a hundred sections fit."""

# ------------------------------------------------------------------------------------------------- names and texts

NAME_CHARACTERS = 256
"""Characters of a room name, an identity, a display name, a track name, an attribute's key.
Source: ours, and what other SFUs allow."""
METADATA_OCTETS = 64 * 1024
"""Octets of UTF-8 of metadata, and of all attributes together. Every member of the room receives them.
Source: DATA_MESSAGE_OCTETS, the other way to send text to everybody."""
ATTRIBUTES = 256
"""Attributes of a participant.
Source: METADATA_OCTETS, at 256 octets each."""
LOUDEST = 1000
"""Microphones that a room may forward at a time: nobody can distinguish more voices.
Source: the ranking's cost, `receive/loudest.rs`."""
ON_STAGE = 256
"""Identities in `on_stage` of a room.
Source: no more than SLOTS are shown at a time."""

# -------------------------------------------------------------------------------------------------------- one picture

PIXELS = 65_535
"""Width or height of a picture.
Source: RFC 6386 s9.1 and the AV1 specification s5.5 allow no more."""
FPS = 1000.0
"""Frames a second.
Source: ours; no camera or screen has more."""
PRIORITY = 255
"""The highest priority of a track: the seam has one octet for it.
Source: `_native.pyi`."""

# ----------------------------------------------------------------------------------------------------- one participant

TRACKS = 64
"""Tracks that one participant may publish.
Source: ours; with SDP_ENCODINGS they have the 1,024 SSRCs that the packet plane follows (`limits.rs`)."""
SLOTS = 128
"""Receive sections of each kind that a participant is asked to offer, at most.
Source: ours; two pages of 64 tiles."""
OUTBOX_MESSAGES = 256
"""Messages stored for a participant: a resume can replay them, and a slow reader may be this far behind.
Source: ours; the resume window of 30 s at eight messages a second."""

OUTBOX_OCTETS = 4 * 1024 * 1024
"""Octets of these messages without the oldest. A reader that is further behind is disconnected; its resume gets a
snapshot.
Source: ours; everybody in a room of sixty changes metadata of the full size."""

SMALL_ROOM = 50
"""Up to this many participants, everybody is told at once what others do.
Source: measured; a message to 50 takes 1 ms, and each join causes three."""
NEWS_SECONDS = 0.2
"""Seconds that messages about others wait in a larger room, so that each client receives one message for all of them.
Source: ours; the tick of the service, which sends them."""
NEWCOMER_SECONDS = 1.0
"""Seconds for which a participant that joins such a room is held back until it is connected, so that the others receive
one message about its join. One without media is reported then.
Source: five round trips of 200 ms: one for the offer, one for ICE, three for DTLS 1.2 (RFC 6347 s4.2.4)."""
NEWS_OCTETS = 256 * 1024
"""Approximate octets of one such message. If more participants join at once, the next message has the rest.
Source: MESSAGE_OCTETS, which clients must keep, too."""
SPEECH_SECONDS = 0.5
"""Seconds between two messages about speakers, or about the dominant speaker, in such a room.
Source: ours; a tile that follows the speaker for less than half a second is restless."""

# ----------------------------------------------------------------------------------------------------- our own words

QUOTE_CHARACTERS = 64
"""Characters of a client's text that an error repeats: enough to recognise it.
Source: ours; a refusal is shorter than the refused text."""
REQUEST_ID = 2**53 - 1
"""The largest `id` of a request; the smallest is its negative.
Source: RFC 7493 s2.2, the integers that every JSON reader represents exactly."""
FAULTS = 16
"""Mistakes of one request that a refusal names. A request with more repeats the same mistake.
Source: ours."""

# --------------------------------------------------------------------------------------------------------------- data

DATA_CHANNELS = 64
"""Data channels of one participant.
Source: ours; a page opens a few."""
DATA_MESSAGE_OCTETS = 64 * 1024
"""The longest message of a data channel.
Source: RFC 8841 s6.1, the size if the SDP states none."""
DATA_MESSAGES_PER_SECOND = 200
"""Lasting rate of messages of one participant; each goes to everybody in its room.
Source: ours; three times a cursor at 60 Hz."""
DATA_MESSAGE_BURST = 400
"""Messages at once.
Source: two seconds of DATA_MESSAGES_PER_SECOND."""

# ------------------------------------------------------------------------------------------------------------ doors

LINKS = 8192
"""TCP connections for media, of all clients. Browsers keep one for each pair of addresses, whether or not UDP works.
Source: ours; 4,000 browsers on a machine with two addresses."""

CONNECTIONS = 10_000
"""TCP connections at the same time.
Source: ours; each costs at most two file descriptors and 20 kB."""
CONNECTIONS_PER_ADDRESS = 64
"""Connections of one address on which no token was valid yet.
Source: ours; a browser opens six, and the clients of a school behind one address join one after another."""
UNSETTLED = 16
"""An address may have this many times CONNECTIONS_PER_ADDRESS connections younger than SETTLE_SECONDS. Further ones are
refused at once.
Source: ours; a thousand clients that join in the same second."""
SETTLE_SECONDS = 1.0
"""Seconds that a connection has to authenticate before it counts as idle.
Source: ours; three round trips of a bad mobile network."""
HEADER_OCTETS = 64 * 1024
"""Octets of the request line and the headers, with trailers.
Source: REQUEST_LINE_OCTETS; other servers allow 8 to 64 KB."""
HEADER_SECONDS = 10.0
"""Seconds until the headers of a request, or a TLS handshake, must be complete.
Source: ours; three resends of TCP."""
BODY_SECONDS = 30.0
"""Seconds until a body must be complete.
Source: BODY_OCTETS at 70 kbit/s."""
REQUEST_OCTETS = 4 * 1024 * 1024
"""Octets of one request with all its framing: one octet may be sent as a chunk of six.
Source: BODY_OCTETS and HEADER_OCTETS, RFC 9112 s7.1."""
FIRST_MESSAGE_SECONDS = 5.0
"""Seconds until a WebSocket's first message must arrive.
Source: ours; one round trip is enough."""
FIRST_MESSAGE_OCTETS = 64 * 1024
"""The longest first message: a join is small.
Source: HEADER_OCTETS."""
FRAGMENTS = 1024
"""Frames of one WebSocket message.
Source: ours; RFC 6455 s5.4 has no limit, and an empty frame costs memory."""
CONTROL_FRAMES_PER_SECOND = 10.0
"""Lasting rate of pings of one WebSocket.
Source: ours; clients ping every few seconds."""
CONTROL_FRAME_BURST = 100.0
"""Pings at once.
Source: ten seconds of CONTROL_FRAMES_PER_SECOND."""
MESSAGES_PER_SECOND = 50.0
"""Lasting rate of messages that a client may send over its WebSocket.
Source: ours; ten times the rate of a busy page."""
MESSAGE_BURST = 200.0
"""Messages at once: a page that opens with 128 tiles sends a setting for each.
Source: SLOTS."""
COST_OCTETS = 16 * 1024
"""Each of this many octets of a message costs as much of MESSAGES_PER_SECOND as one more message.
Source: reading 16 KB of JSON takes about as long as the smallest request."""
COST_SECTIONS = 25
"""Each of this many sections of an offer costs as much of MESSAGES_PER_SECOND as one more message.
Source: measured, an offer of 250 sections takes 13 ms; at the allowed rate that is less than a tenth of a core."""
WISHES = 256
"""Tracks of one message `settings`.
Source: SLOTS of both kinds."""

TURN_OCTETS = 64 * 1024
"""Octets of frames to one WebSocket that wait for the end of a turn of the event loop. Beyond it they are sent earlier.
Source: the size above which asyncio's transports ask the writer to pause."""
ENCODED_OCTETS = 16 * 1024 * 1024
"""Octets of participants that are stored encoded, with their texts. Others are encoded again for the next joiner.
Source: ours; the participants of a room of ten thousand."""
CLOSE_SECONDS = 2.0
"""Seconds that a close frame has to leave: a peer that reads nothing accepts none.
Source: ours; one resend of TCP."""

# ------------------------------------------------------------------------------------------------------- the service

JOINS_PER_KEY = 500
"""Lasting rate of joins a second with one API key; twice as many at once.
Source: ours; the joins that one process can handle while its calls continue."""
JOINS_PER_ADDRESS = 200
"""Lasting rate of joins a second of one address; twice as many at once.
Source: ours; a school behind one NAT that joins within seconds."""
ADDRESSES = 100_000
"""Keys or addresses whose joins are counted. Those without a join for two seconds are forgotten.
Source: ours; 20 MB."""
PARTICIPANTS_PER_KEY = 50_000
"""Participants with tokens of one API key at the same time.
Source: ours; a deployment has several processes, so this bounds one customer of a shared one."""
ENDED_SECONDS = 60.0
"""Seconds for which a WHIP or WHEP session that ended by itself can still be deleted.
Source: ours; client libraries close their peer connection first, and throw at a 404."""
ENDED_SESSIONS = 10_000
"""Ended sessions that are remembered for it.
Source: ours; 160 ends each second."""
LIST_PAGE = 500
"""Rooms, participants or tracks of one reply.
Source: ours; 500 participants take 10 ms of the event loop."""
LIST_OCTETS = 1024 * 1024
"""Approximate octets of one reply: a page ends with the entry that reaches it. Metadata, attributes, the
identities of viewers and decisions can give an entry 64 KB and more.
Source: LIST_PAGE entries of 2 KB; 10 ms of the event loop."""
RETRY_SECONDS = 5
"""Seconds that a client of a full service is told to wait.
Source: ours; participants leave all the time."""
VIEWERS_PER_TOKEN = 50
"""WHEP sessions of one `sub` in a room at the same time; a claim may raise it. Each has its own transport.
Source: ours; the tabs and devices of a class. An audience gets a token each, or the claim."""
TAKEOVERS = 2
"""WHIP sessions of one identity within TAKEOVER_SECONDS. The next would replace one that is still sending.
Source: ours; an encoder that restarts once."""
TAKEOVER_SECONDS = 10.0
"""See TAKEOVERS.
Source: ours; encoders reconnect after 1 to 5 s (OBS: 2 s at first)."""
REVOCATIONS = 100_000
"""Identities whose earlier tokens are refused, in all rooms together: 30 MB. Beyond it one is forgotten.
Source: ours; a removal each second for a day."""
READMISSIONS = 16
"""Tokens that `readmit` may name for one revoked identity. Beyond it the oldest no longer counts.
Source: ours; one per device."""
ICE_SERVERS = 16
"""ICE servers of a setting, and addresses of one of them. A browser asks each on every network interface; Firefox warns
about more than four.
Source: ours; UDP, TCP and TLS addresses of five TURN servers."""
ICE_URL_CHARACTERS = 512
"""Characters of the address of an ICE server.
Source: RFC 7065 s3.1 with a host name of 253 (RFC 1035 s2.3.4), twice."""
TURN_TTL = 86_400
"""Seconds for which TURN credentials are valid. They are needed for the first allocation and at ICE restarts, and
renewed at half of this time.
Source: draft-uberti-behave-turn-rest-00 s2.2 recommends a day."""
TURN_RELAYS_PER_USER = 32
"""Relays of one participant at a time, in the configuration of coturn.
Source: a browser allocates one for each of three addresses on each network interface (libwebrtc), twice at an ICE
restart; five interfaces."""
TURN_RELAYS = 8192
"""Relays of a TURN server at a time, in the configuration of coturn.
Source: ours; half of the ports from TURN_FIRST_PORT to TURN_LAST_PORT."""
TURN_OCTETS_PER_SECOND = 2_500_000
"""Octets a second of one relay in each direction, in the configuration of coturn: 20 Mbit/s.
Source: ours; a participant that receives 16 videos of 1.2 Mbit/s."""
TURN_FIRST_PORT = 49_152
"""The first port of relays, in the configuration of coturn.
Source: RFC 8656 s7.2, the dynamic ports (RFC 6335 s6)."""
TURN_LAST_PORT = 65_535
"""The last one.
Source: TURN_FIRST_PORT."""
CAPTURE_OCTETS = 64 << 20
"""Octets of a capture of clear packets: this many wait for a reader that stalls.
Source: ours; 25 s of 20 Mbit/s."""
CAPTURE_SECONDS = 300
"""Seconds of a capture: clear media is private, so a forgotten capture ends.
Source: ours; time to repeat what a user complains of."""
ANNOUNCED_ADDRESSES = 16
"""Addresses of this machine in an answer if SFU_HOST stands for all of them.
Source: ours; browsers pair each with each of their own (libwebrtc tries 100 pairs at most)."""
ROOMS = 10_000
"""Rooms at the same time.
Source: ours; every tick looks at each."""

# ------------------------------------------------------------------------------------------------------------- events

EVENT_AGE = 7 * 86_400
"""Seconds for which events are kept.
Source: ours; a backend that is repaired after a weekend misses nothing."""
EVENT_OCTETS = 64 * 1024 * 1024
"""Octets of the events that are kept; in memory, unless SFU_STATE_DIR names a folder.
Source: ours; 200,000 events of 300 octets."""
EVENT_BACKLOG = 100_000
"""Events that wait for the database. Further ones are lost, and counted.
Source: ours; ten seconds of 10,000 events, during which a disk does not answer."""
EVENT_COMMIT_SECONDS = 1.0
"""Seconds that an answer waits until its events are in the database. Then it is sent without.
Source: ours; a call must not end because a disk is full."""
EVENT_ALIVE_SECONDS = 5.0
"""Seconds between two notes of the time while participants are in rooms. After a kill they are the last time seen.
Source: ours; bills are in minutes."""
EVENT_RETRY_SECONDS = 1.0
"""Seconds until a failed write is repeated.
Source: ours."""
EVENT_READ = 4_000
"""Events that a client which follows is read at a time. Each read waits for the commit before it.
Source: LIST_OCTETS at 262 octets."""
LIMIT_EVENT_SECONDS = 10.0
"""Seconds between two events about one limit of one room. Hits in between are counted.
Source: ours."""
QUALITY_EVENT_SECONDS = 10.0
"""Seconds for which a track reaches a subscriber otherwise before an event says so.
Source: ours; longer than a switch of layers and the start of a track take."""
QUALITY_SUBSCRIBERS = 50
"""Subscribers that an event about quality names. It has the number of all.
Source: ours; 3 KB of identities."""
COMMAND_DETAIL = 400
"""Characters of what an event tells of a command.
Source: ours; the names of all options and permissions."""
EVENT_FORGET = 10_000
"""Events that are searched at a time for an identity whose events are removed. Commits wait for them.
Source: ours; 20 ms."""
EVENT_FOLLOWERS = 256
"""Clients that follow events at the same time. Each commit wakes them.
Source: ours; a backend needs one for all rooms."""
EVENT_SEND_SECONDS = 10.0
"""Seconds that a client which follows events may take none of them before it is let go.
Source: HEADER_SECONDS, three resends of TCP."""
EVENT_SILENCE_SECONDS = 15.0
"""Seconds after which a client that follows events gets a comment, which finds out whether it is there.
Source: HTML Living Standard s9.2.7 recommends 15 s, because proxies close silent connections."""
WEBHOOKS = 16
"""Webhooks in the configuration. Each commit looks for the events that each of them wants.
Source: ours; a backend needs one."""
WEBHOOKS_AT_ONCE = 32
"""Rooms whose events are sent to one webhook at the same time.
Source: ours; 1,000 events a second where the receiver answers in 32 ms."""
WEBHOOK_RETRIES_AT_ONCE = 16
"""Of these, those whose last attempt failed: the other places are for events that were never sent.
Source: ours; a half."""
WEBHOOK_NAME_SECONDS = 5.0
"""Seconds for which the address of a webhook is used before its name is looked up again.
Source: ours; shorter than the time after which a receiver that moved is missed."""
WEBHOOK_SECONDS = 10.0
"""Seconds until a webhook must have answered.
Source: HEADER_SECONDS."""
WEBHOOK_FIRST_RETRY = 1.0
"""Seconds until an event that was not taken is sent again. The time doubles with each attempt.
Source: ours; a receiver that restarts."""
WEBHOOK_LAST_RETRY = 300.0
"""The most seconds between two attempts.
Source: ours; a receiver that is repaired waits no longer."""
WEBHOOK_GIVE_UP = 86_400.0
"""Seconds after which an event is given up, so that the later ones of its room are sent.
Source: ours; less than EVENT_AGE, so it can be sent again by hand."""
SPEAKER_EVENT_SECONDS = 1.0
"""Seconds between two events about the dominant speaker of a room.
Source: SPEECH_SECONDS, doubled: a protocol of who spoke does not need the interjections."""
