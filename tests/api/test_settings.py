"""Settings: the origin of a value, and the sentence for each wrong one."""

from dataclasses import fields
from pathlib import Path

import pytest

from api import cores, report
from api.addresses import announced
from api.settings import TABLE, Mode, Settings, SettingsError, read
from api.settings.ice import IceUrl
from sfu.model import IceServer

SECRET = "s" * 32
GOOD = {"SFU_KEYS": f"key: {SECRET}"}


def test_the_table_has_a_row_for_every_setting_with_its_meaning() -> None:
    assert {row.name for row in TABLE} == {field.name for field in fields(Settings)} - {"mode"}
    assert all(len(row.meaning) > 10 for row in TABLE)


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_default() -> None:
    settings, values = read({**GOOD, "SFU_PORT": "1000", "SFU_UDP_PORT": "2000"}, {"port": "3000", "host": None})
    assert (settings.port, settings.udp_port, settings.host) == (3000, 2000, ("127.0.0.1",))
    where = {value.setting.name: value.source for value in values}
    assert (where["port"], where["udp_port"], where["host"]) == ("flag", "environment", "default")


def test_what_is_printed_names_value_source_and_meaning_and_hides_secrets() -> None:
    _, values = read({**GOOD, "SFU_PORT": "1000"})
    printed = "\n".join(report.settings(values))
    assert SECRET not in printed and "key: (hidden)" in printed
    assert all(row.variable in printed and row.meaning in printed for row in TABLE)
    assert any(line.split()[:3] == ["SFU_PORT", "1000", "environment"] for line in printed.splitlines())


def test_two_keys_rotate() -> None:
    settings, _ = read({"SFU_KEYS": f"old: {SECRET}, new:{SECRET}2,"})
    assert settings.keys == {"old": SECRET, "new": SECRET + "2"}


def test_settings_become_the_config_of_the_service() -> None:
    environ = {"SFU_HOST": "127.0.0.1, ::1", "SFU_WORKERS": "3", "SFU_DRAIN_LIMIT": "7.5", "SFU_MAX_PARTICIPANTS": "9"}
    environ |= {"SFU_ANNOUNCED_ADDRESSES": "192.0.2.1,2001:db8::1", "SFU_CREATE_ON_DEMAND": "no"}
    config = read({**GOOD, **environ})[0].config()
    assert config.hosts == ("127.0.0.1", "::1") and config.workers == 3 and config.drain_limit == 7.5
    assert config.announced_addresses == ("192.0.2.1", "2001:db8::1")
    assert config.room.max_participants == 9 and config.create_on_demand is False


TURN = {
    "SFU_TURN_URLS": "turn:a?transport=udp, turn:[::1]:80?transport=tcp,turns:b:443",
    "SFU_TURN_SECRET": "t" * 32,
    "SFU_ICE_SERVERS": '[{"urls": "stun:c"}, '
    '{"urls": ["turn:d", "turn:e"], "username": "u", "credential": "fixed-one"}]',
}


def test_ice_servers_of_clients_come_from_two_settings() -> None:
    config = read({**GOOD, **TURN, "SFU_TURN_TTL": "900"})[0].config()
    assert config.turn.urls == ("turn:a?transport=udp", "turn:[::1]:80?transport=tcp", "turns:b:443")
    assert (config.turn.secret, config.turn.ttl) == ("t" * 32, 900)
    assert config.ice_servers == (IceServer(("stun:c",)), IceServer(("turn:d", "turn:e"), "u", "fixed-one"))
    assert read(GOOD)[0].config().turn.urls == ()


def test_secrets_of_turn_servers_are_never_printed() -> None:
    settings, values = read({**GOOD, **TURN})
    printed = "\n".join(report.settings(values)) + repr(settings.config())
    assert "t" * 32 not in printed and "fixed-one" not in printed
    assert "stun:c, turn:d turn:e (credentials hidden)" in printed


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("turn:a", ("turn", "a", 3478, "udp")),
        ("turn:a:80?transport=tcp", ("turn", "a", 80, "tcp")),
        ("turns:a", ("turns", "a", 5349, "tcp")),
        ("turns:[2001:db8::1]:443?transport=tcp", ("turns", "2001:db8::1", 443, "tcp")),
        ("stun:192.0.2.1:3479", ("stun", "192.0.2.1", 3479, "udp")),
        ("stuns:a", ("stuns", "a", 5349, "tcp")),
    ],
)
def test_an_address_of_an_ice_server_has_a_port_and_a_transport(url: str, parts: tuple[str, str, int, str]) -> None:
    assert IceUrl.parse(url) == parts


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"SFU_KEYS": ""}, "SFU_KEYS is not set"),
        ({"SFU_KEYS": "nocolon"}, "SFU_KEYS needs the form"),
        ({"SFU_KEYS": "key: short"}, "SFU_KEYS has a secret of 5 bytes for the key 'key': at least 32"),
        ({"SFU_KEYS": f"a: {SECRET}, a: {SECRET}"}, "SFU_KEYS names the key 'a' twice"),
        ({"SFU_PORT": "http"}, "SFU_PORT needs a whole number from 0 to 65535, not 'http'"),
        ({"SFU_PORT": "65536"}, "SFU_PORT needs"),
        ({"SFU_PORT": "٣"}, "SFU_PORT needs"),
        ({"SFU_UDP_PORT": "65535", "SFU_WORKERS": "2"}, "SFU_UDP_PORT is too high for 2 workers"),
        ({"SFU_HOST": "example.org"}, "SFU_HOST needs IP addresses, not 'example.org'"),
        ({"SFU_HOST": ""}, "SFU_HOST needs at least one"),
        ({"SFU_ANNOUNCED_ADDRESSES": "0.0.0.0"}, "SFU_ANNOUNCED_ADDRESSES needs addresses that clients can reach"),
        ({"SFU_WORKERS": "0"}, "SFU_WORKERS needs a whole number from 1"),
        ({"SFU_INTERNAL_PORT": "7880"}, "SFU_INTERNAL_PORT is the same as SFU_PORT"),
        ({"SFU_TCP_PORT": "http"}, "SFU_TCP_PORT needs a whole number from 0 to 65535, same or off, not 'http'"),
        ({"SFU_TCP_PORT": "65536"}, "SFU_TCP_PORT needs a whole number from 0 to 65535"),
        ({"SFU_TCP_PORT": "7880"}, "SFU_TCP_PORT is the same as SFU_PORT"),
        ({"SFU_TCP_PORT": "7881", "SFU_INTERNAL_PORT": "7881"}, "SFU_TCP_PORT is the same as SFU_INTERNAL_PORT"),
        ({"SFU_TLS_CERT": "/nowhere/cert.pem"}, "SFU_TLS_CERT names a file that cannot be read: /nowhere/cert.pem"),
        ({"SFU_TLS_CERT": __file__}, "SFU_TLS_KEY is not set"),
        ({"SFU_DRAIN_LIMIT": "-1"}, "SFU_DRAIN_LIMIT needs a number of seconds"),
        ({"SFU_DRAIN_LIMIT": "nan"}, "SFU_DRAIN_LIMIT needs a number of seconds"),
        ({"SFU_CREATE_ON_DEMAND": "maybe"}, "SFU_CREATE_ON_DEMAND needs true or false"),
        ({"SFU_MAX_CONNECTIONS": "1"}, "SFU_MAX_CONNECTIONS needs a whole number from 16"),
        ({"SFU_TRUSTED_PROXIES": "10.0.0.0/33"}, "SFU_TRUSTED_PROXIES needs addresses or networks"),
        ({"SFU_TURN_URLS": "turn:a"}, "SFU_TURN_SECRET is not set: SFU_TURN_URLS needs the secret"),
        ({"SFU_TURN_SECRET": SECRET}, "SFU_TURN_URLS is not set: SFU_TURN_SECRET is for the TURN servers"),
        ({"SFU_TURN_SECRET": "short"}, "SFU_TURN_SECRET has 5 bytes: at least 32 are needed"),
        ({"SFU_TURN_SECRET": "s s" * 20}, "SFU_TURN_SECRET needs printable ASCII characters without spaces"),
        ({"SFU_TURN_URLS": "turn.example.com"}, "SFU_TURN_URLS needs addresses such as turn:"),
        ({"SFU_TURN_URLS": "turn://a"}, "SFU_TURN_URLS needs addresses such as turn:"),
        ({"SFU_TURN_URLS": "turn:ada@a"}, "SFU_TURN_URLS needs addresses such as turn:"),
        ({"SFU_TURN_URLS": "turn:" + "a" * 600}, "SFU_TURN_URLS needs addresses such as turn:"),
        ({"SFU_TURN_URLS": "stun:a"}, "SFU_TURN_URLS needs TURN addresses such as turn:"),
        ({"SFU_TURN_URLS": "turn:a:0"}, "SFU_TURN_URLS needs addresses with a port from 1 to 65535, not 'turn:a:0'"),
        ({"SFU_TURN_URLS": "turn:[1.2.3.4]"}, "SFU_TURN_URLS needs an IPv6 address in the brackets"),
        ({"SFU_TURN_URLS": "turns:a?transport=udp"}, "SFU_TURN_URLS needs turns: addresses with ?transport=tcp"),
        ({"SFU_TURN_URLS": ",".join(f"turn:a:{n}" for n in range(1, 18))}, "SFU_TURN_URLS has 17 addresses: at most"),
        ({"SFU_TURN_TTL": "60"}, "SFU_TURN_TTL needs a whole number from 600"),
        ({"SFU_ICE_SERVERS": "stun:a"}, "SFU_ICE_SERVERS needs a JSON list as browsers take it"),
        ({"SFU_ICE_SERVERS": "[" * 5000}, "SFU_ICE_SERVERS needs a JSON list"),
        ({"SFU_ICE_SERVERS": '[{"url": "stun:a"}]'}, "SFU_ICE_SERVERS needs servers with urls, username and"),
        ({"SFU_ICE_SERVERS": '[{"urls": []}]'}, "SFU_ICE_SERVERS needs a text, or a list of texts, as urls"),
        ({"SFU_ICE_SERVERS": '[{"urls": "turn:a"}]'}, "SFU_ICE_SERVERS needs a username and a credential for 'turn:a'"),
        (
            {"SFU_ICE_SERVERS": '[{"urls": "stun:a", "username": "u", "credential": "c"}]'},
            "SFU_ICE_SERVERS needs no username and no credential for 'stun:a'",
        ),
        ({"SFU_ICE_SERVERS": '[{"urls": ["stun:a", "turn:a"]}]'}, "SFU_ICE_SERVERS needs STUN and TURN addresses in"),
        ({"SFU_ICE_SERVERS": '[{"urls": "stun:a?transport=udp"}]'}, "SFU_ICE_SERVERS needs STUN addresses without"),
        (
            {"SFU_ICE_SERVERS": '[{"urls": "turn:a", "username": "u", "credential": "\\r\\n"}]'},
            "SFU_ICE_SERVERS needs a credential of at most 512 printable ASCII characters",
        ),
        ({"SFU_LOG_LEVEL": "loud"}, "SFU_LOG_LEVEL needs debug"),
        ({"SFU_TRACE": "ice=loud"}, "SFU_TRACE needs 'level' or 'target=level', several separated by commas, not"),
        ({"SFU_PROT": "1"}, "SFU_PROT is not a setting; did you mean SFU_PORT?"),
        ({"SFU_XYZZY": "1"}, "SFU_XYZZY is not a setting: see sfu serve --print-config."),
        ({"SFU_SERVICE_HOST": "10.0.0.1"}, "SFU_SERVICE_HOST is not a setting; Kubernetes injects"),
        ({"SFU_PORT": "tcp://10.0.0.1:7880"}, "Kubernetes injects such variables for a Service named sfu"),
        ({"SFU_PORT_7880_TCP_ADDR": "10.0.0.1"}, "enableServiceLinks: false"),
        ({"SFU_INTERNAL_SERVICE_PORT": "9000"}, "Kubernetes injects"),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read({**GOOD, **environ})
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_a_bad_flag_is_named_as_a_flag() -> None:
    with pytest.raises(SettingsError, match=r"^--udp-port needs a whole number"):
        read(GOOD, {"udp_port": "x"})


def test_variables_of_the_client_commands_and_of_others_are_no_mistake() -> None:
    read({**GOOD, "SFU_URL": "http://x", "SFU_API_KEY": "a", "SFU_API_SECRET": "b", "PATH": "/bin"})


def test_development_mode_needs_no_key_and_has_one_worker() -> None:
    settings, _ = read({}, {}, Mode(dev=True))
    assert settings.keys == {} and settings.workers == 1 and settings.host == ("127.0.0.1",)


def test_the_wildcard_announces_an_address_that_is_none() -> None:
    assert announced(("192.0.2.7",)) == ("192.0.2.7",)
    assert "0.0.0.0" not in announced(("0.0.0.0",)) and announced(("0.0.0.0",))


@pytest.mark.parametrize(("usable", "workers"), [(1, 1), (2, 2), (3, 2), (8, 7)])
def test_one_core_is_left_for_python_where_there_are_more_than_two(usable: int, workers: int) -> None:
    assert cores.workers(usable) == workers


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, 1 << 20),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 1 << 20),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/x\n1:memory:/y\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            1 << 20,
        ),
    ],
)
def test_the_quota_of_the_control_group_counts(tmp_path: Path, files: dict[str, str], quota: float) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores.quota(tmp_path) == quota
    assert cores.usable(tmp_path) >= 1


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ({}, 7882),
        ({"SFU_UDP_PORT": "2000"}, 2000),
        ({"SFU_UDP_PORT": "0"}, 0),
        ({"SFU_UDP_PORT": "0", "SFU_PORT": "0"}, 0),
        ({"SFU_UDP_PORT": "7880"}, None),
        ({"SFU_UDP_PORT": "2000", "SFU_INTERNAL_PORT": "2000"}, None),
        ({"SFU_TCP_PORT": "443"}, 443),
        ({"SFU_TCP_PORT": "off"}, None),
    ],
)
def test_the_tcp_port_of_media_is_that_of_udp_unless_it_is_set_or_taken(
    given: dict[str, str], port: int | None
) -> None:
    settings, _ = read({**GOOD, **given})
    assert settings.media_tcp_port == port and settings.config().tcp_port == port
