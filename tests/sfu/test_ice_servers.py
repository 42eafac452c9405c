"""ICE servers of clients: whose credentials they have, and until when."""

from sfu.config import Config, TurnServers
from sfu.ice_servers import ice_servers, public_ice_servers, user_of
from sfu.model import Grant, IceServer

TURN = TurnServers(("turn:a", "turns:a"), "secret" * 6, 3600)
STUN, CONSTANT = IceServer(("stun:b",)), IceServer(("turn:c",), "u", "p")


def test_the_password_is_the_hmac_that_the_turn_server_computes() -> None:
    """As `printf 1700003600:PA_1 | openssl dgst -sha1 -hmac SECRET -binary | base64` prints it."""
    (server,) = ice_servers(Config(turn=TURN), "PA_1", 1_700_000_000.9)
    assert server == IceServer(("turn:a", "turns:a"), "1700003600:PA_1", "9hh0LHYYL+cyKGwI5qsSl23veJo=")


def test_other_servers_follow_and_have_constant_credentials_or_none() -> None:
    config = Config(turn=TURN, ice_servers=(STUN, CONSTANT))
    assert ice_servers(config, "PA_1", 0.0)[1:] == (STUN, CONSTANT)
    assert ice_servers(Config(ice_servers=(STUN,)), "PA_1", 0.0) == (STUN,)
    assert ice_servers(Config(), "PA_1", 0.0) == ()


def test_anyone_is_given_only_servers_without_credentials() -> None:
    assert public_ice_servers(Config(turn=TURN, ice_servers=(CONSTANT, STUN))) == (STUN,)


def test_a_client_that_has_not_joined_is_the_same_user_each_time_whatever_its_identity_contains() -> None:
    one, same, other = (user_of(Grant(name, key="key")) for name in ("a:'b\n", "a:'b\n", "c"))
    assert one == same != other != user_of(Grant("c", key="another"))
    assert one.replace("_", "").replace("-", "").isalnum() and len(one) < 20
