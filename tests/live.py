"""The live objects of a service, for tests alone. Doors ask by `Sfu.execute` and get views."""

from sfu.driver import Driver
from sfu.history.history import History
from sfu.rooms import Rooms
from sfu.service import Sfu
from sfu.signalling.media_session import MediaSessions


def rooms_of(sfu: Sfu) -> Rooms:
    return sfu._rooms


def driver_of(sfu: Sfu) -> Driver:
    return sfu._driver


def media_sessions_of(sfu: Sfu) -> MediaSessions:
    return sfu._node.sessions


def history_of(sfu: Sfu) -> History:
    return sfu._history
