"""The ICE servers of clients. Credentials of TURN servers expire, and are made for one user each.

The user name is `expiry:user`, with the expiry in seconds since the epoch. The password is its HMAC-SHA1 with the
secret that the TURN server shares (draft-uberti-behave-turn-rest-00, coturn's `use-auth-secret`). The TURN server
counts the allocations of a user. The user is a participant's sid, so the TURN server's log names it.
"""

import base64
import hashlib
import hmac

from sfu.config import Config
from sfu.model import Grant, IceServer


def ice_servers(config: Config, user: str, now: float) -> tuple[IceServer, ...]:
    """Returns the ICE servers of a client, with credentials for `user` from now on. `now` is in seconds since the
    epoch."""
    turn = config.turn
    if not turn.urls:
        return config.ice_servers
    username = f"{int(now) + turn.ttl}:{user}"
    return (IceServer(turn.urls, username, _password(turn.secret, username)), *config.ice_servers)


def public_ice_servers(config: Config) -> tuple[IceServer, ...]:
    """Returns the ICE servers that need no credentials, for clients without a token."""
    return tuple(server for server in config.ice_servers if not server.username)


def user_of(grant: Grant) -> str:
    """Returns the user of a client that has not joined: always the same for one identity of one API key, and without
    characters that a TURN server may refuse."""
    named = hashlib.sha256(f"{grant.key}\n{grant.identity}".encode()).digest()
    return "ID_" + base64.urlsafe_b64encode(named[:9]).decode()


def _password(secret: str, username: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()
