"""Every request to the service, as data. `sfu/execution` carries it out.

A command has its author (`by`), its arguments, and the type of its result: `await sfu.execute(command)` returns the
result or raises an `SfuError`. Arguments and results are plain data and views of `sfu/views.py`, never a room or a
participant, so that a command can be carried out on another node. `NEEDS` has the right that a command needs; it is
checked when the command is carried out, and nowhere else.

| command | REST `/v1/rooms…` | WebSocket | others | needs |
| --- | --- | --- | --- | --- |
| `CreateRoom` | `POST` | | | roomCreate |
| `PutRoom` | `PUT /{room}` | | | roomCreate; roomAdmin for the room, if it exists with other options |
| `ListRooms` | `GET` | | | roomList |
| `ShowRoom` | `GET /{room}` | | | roomList, or roomAdmin for the room |
| `ChangeRoom` | `PATCH /{room}` | | | roomAdmin for the room |
| `DeleteRoom` | `DELETE /{room}` | | | roomCreate, or roomAdmin for the room |
| `ListTracks` | `GET /{room}/tracks` | | | roomAdmin for the room |
| `ShowTrack` | `GET …/tracks/{track}` | | | roomAdmin for the room |
| `RemoveTrack` | `DELETE …/tracks/{track}` | | | roomAdmin for the room |
| `RequestKeyframe` | `POST …/tracks/{track}/keyframe` | | | roomAdmin for the room |
| `SendData` | `POST /{room}/data` | | | roomAdmin for the room |
| `ListEvents` | (`GET /v1/events`) | | | roomAdmin for the room; for all rooms roomAdmin without a room, and roomList |
| `DeleteEvents` | (`DELETE /v1/events`) | | | as for `ListEvents` |
| `ListParticipants` | `GET …/participants` | | | roomAdmin for the room |
| `ShowParticipant` | `GET …/{identity}` | | | roomAdmin for the room; of itself: nothing |
| `ChangeParticipant` | `PATCH …/{identity}` | `update` | | roomAdmin for the room; of itself: can_update_own_metadata |
| `RemoveParticipant` | `DELETE …/{identity}` | | | roomAdmin for the room |
| `ReadmitParticipant` | `POST …/{identity}/readmit` | | | roomAdmin for the room |
| `MuteTrack` | `POST …/{identity}/mute` | `mute` | | roomAdmin for the room; of itself: nothing |
| `MuteSource` | `POST …/{identity}/mute` with `source` | | | roomAdmin for the room |
| `ListSubscriptions` | `GET …/{identity}/subscriptions` | | | roomAdmin for the room; of itself: nothing |
| `SetSubscriptions` | `PUT …/{identity}/subscriptions` | `settings` | | roomAdmin for the room; of itself: nothing |
| `Subscribe` | | `subscribe` | | roomAdmin for the room; of itself: nothing |
| `ExplainSubscriptions` | `GET …/{identity}/explain` | | | roomAdmin for the room; of itself: nothing |
| `DeclareTrack` | | `publish` | | a participant, for itself: can_publish, can_publish_sources |
| `UnpublishTrack` | | `unpublish` | | a participant, for itself |
| `AnswerOffer` | | `offer` | | a participant, for itself |
| `NoteToken` | | (`token` was sent) | | a participant, for itself |
| `Leave` | | `leave` | | a participant, for itself |
| `Join` | | `join` | | roomJoin for the room |
| `Resume` | | `join` with `resume` | | the secret of the session |
| `ListIceServers` | | | `OPTIONS` of WHIP and WHEP | roomJoin for the room; without a token: nothing |
| `OpenMediaSession` | | | `POST` of WHIP and WHEP | roomJoin for the room; can_publish or can_subscribe |
| `FindMediaSession` | | | `PATCH` of WHIP and WHEP | the id of the session |
| `TrickleIce`, `RestartIce` | | | `PATCH` of WHIP and WHEP | the id of the session |
| `EndMediaSession` | | | `DELETE` of WHIP and WHEP | the id of the session |
| `DelegateGrant` | (`POST /v1/tokens`) | | | tokenCreate, and what the token has |
| `ShowCounters` | | | `GET /counters` | the administrator |
| `StartCapture`, `StopCapture` | | | `GET /capture` | the administrator, if `Config.captures` allows it |
| `Drain` | | | `POST /drain` | the administrator |

The CLI uses REST. A program that embeds the service sends commands as `ADMINISTRATOR`, who needs no grant. `Sfu.attach`
sends `Join` or `Resume` and holds the connection of the participant; `Sfu.capture` sends `StartCapture` and holds the
file.
"""

from collections.abc import Mapping
from typing import Any

from sfu.commands.base import (
    ADMINISTRATOR,
    ANYONE,
    Administrator,
    Anyone,
    Asker,
    Command,
    Departed,
    Executor,
    Member,
    Page,
    Right,
)
from sfu.commands.participants import (
    Answered,
    AnswerOffer,
    ChangeParticipant,
    DeclareTrack,
    ExplainSubscriptions,
    Leave,
    ListSubscriptions,
    MuteSource,
    MuteTrack,
    NoteToken,
    OfParticipant,
    ReadmitParticipant,
    RemoveParticipant,
    SetSubscriptions,
    ShowCounters,
    ShowParticipant,
    StartCapture,
    StopCapture,
    Subscribe,
    UnpublishTrack,
)
from sfu.commands.rooms import (
    ChangeRoom,
    Created,
    CreateRoom,
    DeleteEvents,
    DeleteRoom,
    Drain,
    ListEvents,
    ListParticipants,
    ListRooms,
    ListTracks,
    OfRoom,
    PutRoom,
    SendData,
    ShowRoom,
)
from sfu.commands.sessions import (
    EndMediaSession,
    FindMediaSession,
    Join,
    ListIceServers,
    MediaSessionInfo,
    OfMediaSession,
    OpenMediaSession,
    Restarted,
    RestartIce,
    Resume,
    TrickleIce,
)
from sfu.commands.tokens import DelegateGrant
from sfu.commands.tracks import OfTrack, RemoveTrack, RequestKeyframe, ShowTrack

__all__ = [
    "ADMINISTRATOR",
    "ANYONE",
    "NEEDS",
    "Administrator",
    "AnswerOffer",
    "Answered",
    "Anyone",
    "Asker",
    "ChangeParticipant",
    "ChangeRoom",
    "Command",
    "CreateRoom",
    "Created",
    "DeclareTrack",
    "DelegateGrant",
    "DeleteEvents",
    "DeleteRoom",
    "Departed",
    "Drain",
    "EndMediaSession",
    "Executor",
    "ExplainSubscriptions",
    "FindMediaSession",
    "Join",
    "Leave",
    "ListEvents",
    "ListIceServers",
    "ListParticipants",
    "ListRooms",
    "ListSubscriptions",
    "ListTracks",
    "MediaSessionInfo",
    "Member",
    "MuteSource",
    "MuteTrack",
    "NoteToken",
    "OfMediaSession",
    "OfParticipant",
    "OfRoom",
    "OfTrack",
    "OpenMediaSession",
    "Page",
    "PutRoom",
    "ReadmitParticipant",
    "RemoveParticipant",
    "RemoveTrack",
    "RequestKeyframe",
    "RestartIce",
    "Restarted",
    "Resume",
    "Right",
    "SendData",
    "SetSubscriptions",
    "ShowCounters",
    "ShowParticipant",
    "ShowRoom",
    "ShowTrack",
    "StartCapture",
    "StopCapture",
    "Subscribe",
    "TrickleIce",
    "UnpublishTrack",
]

NEEDS: Mapping[type[Command[Any]], Right] = {
    CreateRoom: Right.CREATE_ROOMS,
    PutRoom: Right.CREATE_ROOMS,
    ListRooms: Right.LIST_ROOMS,
    ShowRoom: Right.VIEW_ROOM,
    ChangeRoom: Right.MODERATE,
    DeleteRoom: Right.CLOSE_ROOM,
    ListTracks: Right.MODERATE,
    ShowTrack: Right.MODERATE,
    RemoveTrack: Right.MODERATE,
    RequestKeyframe: Right.MODERATE,
    SendData: Right.MODERATE,
    ListEvents: Right.FOLLOW,
    DeleteEvents: Right.FOLLOW,
    ListParticipants: Right.MODERATE,
    ShowParticipant: Right.OWN_OR_MODERATE,
    ChangeParticipant: Right.OWN_OR_MODERATE,
    RemoveParticipant: Right.MODERATE,
    ReadmitParticipant: Right.MODERATE,
    MuteTrack: Right.OWN_OR_MODERATE,
    MuteSource: Right.MODERATE,
    ListSubscriptions: Right.OWN_OR_MODERATE,
    SetSubscriptions: Right.OWN_OR_MODERATE,
    Subscribe: Right.OWN_OR_MODERATE,
    ExplainSubscriptions: Right.OWN_OR_MODERATE,
    DeclareTrack: Right.OWN,
    UnpublishTrack: Right.OWN,
    AnswerOffer: Right.OWN,
    NoteToken: Right.OWN,
    Leave: Right.OWN,
    Join: Right.JOIN,
    Resume: Right.SESSION,
    ListIceServers: Right.JOIN,
    OpenMediaSession: Right.JOIN,
    FindMediaSession: Right.SESSION,
    TrickleIce: Right.SESSION,
    RestartIce: Right.SESSION,
    EndMediaSession: Right.SESSION,
    DelegateGrant: Right.CREATE_TOKENS,
    ShowCounters: Right.ADMINISTER,
    StartCapture: Right.ADMINISTER,
    StopCapture: Right.ADMINISTER,
    Drain: Right.ADMINISTER,
}
