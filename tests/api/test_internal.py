"""The internal listener: live, ready, metrics, drain. The public one has none of them."""

import re
from pathlib import Path

import pytest

from sfu.plane import _native

from .server import Server


async def test_ready_follows_the_state_and_live_does_not(server: Server) -> None:
    async with server.client("ada"):
        assert (await server.internal.get("/live")).status_code == 200
        assert (await server.internal.get("/ready")).json() == {"state": "running"}
        begun = await server.internal.post("/drain?limit=20")
        assert begun.status_code == 202
        assert begun.json() == {"state": "draining", "rooms": 1, "participants": 1}
        assert (await server.internal.get("/ready")).status_code == 503
        assert (await server.internal.get("/live")).status_code == 200
        assert (await server.internal.get("/drain")).json()["participants"] == 1


async def test_a_failed_worker_is_neither_ready_nor_live_and_everybody_is_told(
    server: Server, real_plane: bool
) -> None:
    if real_plane or server.plane is None:
        pytest.skip("the native plane does not fail when asked to")
    async with server.client("ada") as ada:
        server.plane.say(_native.WorkerFailed(worker=0, reason="panicked"))
        assert (await ada.hear("left"))["reason"] == "server_shutdown"
        assert (await server.internal.get("/ready")).status_code == 503
        assert (await server.internal.get("/live")).json() == {"state": "failed"}


async def test_metrics_name_joins_rooms_packets_and_discards(server: Server) -> None:
    async with server.client("ada"):
        text = (await server.internal.get("/metrics")).text
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert lines["sfu_joins_total"] == lines["sfu_rooms"] == "1.0"
        assert lines['sfu_participants{kind="standard"}'] == "1.0"
        assert lines['sfu_participants{kind="viewer"}'] == "0.0", "nobody is a number, too"
        assert lines['sfu_state{state="running"}'] == "1.0"
        assert {f'sfu_longest_pause_seconds{{of="{what}"}}' for what in ("loop", "collector")} <= lines.keys()
        assert {"sfu_packets_received_total", "sfu_bytes_sent_total", "sfu_transports"} <= lines.keys()
        if server.plane is not None:
            assert lines['sfu_discards_total{reason="srtp_auth"}'] == "4.0"
            assert lines['sfu_timers_total{timer="consent"}'] == "3.0"


async def test_counters_of_a_participant_without_a_transport_are_not_found(server: Server) -> None:
    async with server.client("ada"):
        for identity in ("ada", "bob"):
            reply = await server.internal.get("/counters", params={"room": "room", "identity": identity})
            assert reply.status_code == 404 and reply.headers["content-type"] == "application/problem+json"


async def test_readme_lists_metrics_that_exist(server: Server) -> None:
    text = (await server.internal.get("/metrics")).text
    there = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE sfu_")}
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    listed = set(re.findall(r"`(sfu_[a-z_]+?)(?:{[a-z]+})?`", readme.partition("## Metrics")[2].partition("\n## ")[0]))
    assert "sfu_longest_pause_seconds" in listed and listed <= there


@pytest.mark.parametrize("path", ["/drain?limit=-1", "/drain?limit=soon"])
async def test_a_bad_limit_is_refused(server: Server, path: str) -> None:
    reply = await server.internal.post(path)
    assert reply.status_code == 422 and reply.headers["content-type"] == "application/problem+json"
    assert server.sfu.state == "running"


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics", "/drain", "/counters", "/capture"])
async def test_the_public_listener_has_none_of_it(server: Server, path: str) -> None:
    assert (await server.http.get(path)).status_code == 404
