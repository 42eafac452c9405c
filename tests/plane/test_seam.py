"""The plane from Python: ports, commands, counters, the wake descriptor, close and fork."""

import ctypes
import errno
import logging
import os
import select
import socket
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from sfu.config import Config
from sfu.failures import Failures
from sfu.plane import Event, Plane, PlaneConfig, Stats, TransportSpec, _native
from sfu.plane.binding import TRACE, Binding, PlaneApi, open_plane

MakePlane = Callable[..., Plane]


def is_readable(plane: Plane, seconds: float = 0.0) -> bool:
    return bool(select.select([plane.fileno()], [], [], seconds)[0])


def eventually(plane: PlaneApi, done: Callable[[Stats], bool]) -> Stats:
    """Waits on counters, not on time."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        stats = plane.stats()
        if done(stats):
            return stats
        time.sleep(0.01)
    raise AssertionError("the counters never got there")


def test_each_worker_has_a_port_of_its_own(make_plane: MakePlane) -> None:
    addresses = make_plane(workers=3).addresses()
    assert [host for host, _ in addresses] == ["127.0.0.1"] * 3
    assert len({port for _, port in addresses}) == 3


def test_a_port_that_is_taken_is_an_error_with_a_sentence_its_number_and_the_address(make_plane: MakePlane) -> None:
    _, port = make_plane().addresses()[0]
    with pytest.raises(OSError, match=f"UDP port {port} of 127.0.0.1 cannot be used") as refused:
        Plane(PlaneConfig(hosts=["127.0.0.1"], udp_port=port, workers=1))
    assert (refused.value.errno, refused.value.filename) == (errno.EADDRINUSE, f"127.0.0.1:{port}")


def test_decisions_are_logged_under_their_target_if_they_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger(TRACE).setLevel(logging.DEBUG)
    for asked, expected in (("discards,ice=off", True), ("ice", False), ("", False)):
        caplog.clear()
        plane = open_plane(Config(hosts=("127.0.0.1",), udp_port=0, trace=asked))
        others: list[Event] = []
        binding = Binding(plane, Failures())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.sendto(bytes([255] * 20), plane.addresses()[0])
            eventually(plane, lambda stats: stats.counters.discards["unknown_protocol"] == 1)
            where = f"127.0.0.1:{stranger.getsockname()[1]}"
        binding.read(others.append)
        plane.close()
        lines = [(line.name, line.levelno, line.message) for line in caplog.records if line.name.startswith(TRACE)]
        text = f'worker{{index=0}}: discarded remote={where} why="unknown_protocol" total=1'
        assert lines == ([(f"{TRACE}.discards", logging.DEBUG, text)] if expected else []) and not others


def test_a_kernel_that_does_not_set_reports_apart_is_told_of_once(
    make_plane: MakePlane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert make_plane(workers=2).sets_reports_apart()
    config = Config(hosts=("127.0.0.1",), announced_addresses=("127.0.0.1",), udp_port=0)
    open_plane(config).close()
    assert not caplog.messages
    monkeypatch.setattr(_native, "Plane", lambda _: SimpleNamespace(sets_reports_apart=lambda: False))
    open_plane(config)
    (message,) = caplog.messages
    assert "does not separate reports from media" in message


def test_the_fingerprint_is_a_sha_256_and_of_this_plane_alone(make_plane: MakePlane) -> None:
    one = make_plane().fingerprint()
    assert len(bytes.fromhex(one.replace(":", ""))) == 32


def test_datagrams_of_no_protocol_are_counted_by_name(make_plane: MakePlane) -> None:
    plane = make_plane(workers=2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for address in plane.addresses():
            peer.sendto(b"F" * 30, address)
            peer.sendto(b"F" * 3_000, address)
    stats = eventually(
        plane, lambda stats: stats.counters.discards["unknown_protocol"] + stats.counters.discards["truncated"] == 4
    )
    assert stats.counters.discards["unknown_protocol"] == 2
    assert stats.counters.discards["truncated"] == 2


def test_nothing_happened_is_an_empty_list_and_an_unreadable_descriptor(make_plane: MakePlane) -> None:
    plane = make_plane()
    assert plane.poll() == []
    assert not is_readable(plane)


def test_a_transport_has_counters_of_its_own_as_long_as_it_is_there(
    make_plane: MakePlane, transport_spec: TransportSpec
) -> None:
    plane = make_plane()
    plane.add_transport(transport_spec)
    eventually(plane, lambda stats: stats.transports == 1)
    counters = plane.counters(transport_spec.id)
    assert counters is not None and counters.packets_received == counters.discards["srtp_auth"] == 0
    assert counters.discards.keys() == plane.stats().counters.discards.keys()
    assert plane.counters(5) is None
    plane.remove(transport_spec.id)
    eventually(plane, lambda stats: stats.transports == 0)
    assert plane.counters(transport_spec.id) is None


def test_commands_about_what_is_not_there_do_nothing(make_plane: MakePlane, transport_spec: TransportSpec) -> None:
    plane = make_plane()
    plane.add_transport(transport_spec)
    eventually(plane, lambda stats: stats.transports == 1)
    plane.set_source([5], None)
    plane.set_source([5, 7], 6)
    plane.request_keyframe(6)
    plane.send([7, 8], b"hello", text=True)
    plane.remove(9)
    plane.remove(1)
    eventually(plane, lambda stats: stats.transports == 0)


def test_an_id_of_a_worker_that_is_not_there_is_refused(make_plane: MakePlane) -> None:
    plane = make_plane(workers=2)
    plane.remove(1 << 40)
    commands: list[Callable[[], None]] = [
        lambda: plane.remove(2 << 40),
        lambda: plane.send([1, 2 << 40], b"", text=False),
        lambda: plane.set_targets([(2 << 40, [])]),
    ]
    for command in commands:
        with pytest.raises(ValueError, match="names worker 2, and there are 2, counted from 0"):
            command()


def test_close_frees_the_port_and_twice_is_once(make_plane: MakePlane) -> None:
    plane = make_plane()
    address = plane.addresses()[0]
    plane.close()
    plane.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as freed:
        freed.bind(address)
    plane.remove(1)
    assert plane.poll() == []
    assert not is_readable(plane)


def test_a_plane_nobody_closed_ends_with_its_last_reference() -> None:
    before = threads_of_workers()
    plane = Plane(PlaneConfig(hosts=["127.0.0.1"], udp_port=0, workers=2))
    address = plane.addresses()[0]
    del plane
    assert threads_of_workers() == before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as freed:
        freed.bind(address)


def threads_of_workers() -> int:
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as comm:
                names.append(comm.read())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sum(name.startswith("sfu-worker") for name in names)


def test_workers_go_on_while_python_computes(make_plane: MakePlane) -> None:
    plane = make_plane()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(100):
            peer.sendto(b"F" * 30, plane.addresses()[0])
    # PyDLL keeps the interpreter lock during the call, as a long computation in C does.
    ctypes.PyDLL(None).usleep(900_000)
    assert plane.stats().counters.packets_received == 100


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_leaves_the_plane_to_its_parent(make_plane: MakePlane) -> None:
    plane = make_plane()
    child = os.fork()
    if child == 0:
        # Nothing of pytest may run here: the child says what it saw by its exit code.
        code = 1
        try:
            plane.close()
            plane.remove(1)
        except RuntimeError as error:
            code = 0 if "its fork" in str(error) else 2
        finally:
            del plane
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"F" * 30, plane.addresses()[0])
    eventually(plane, lambda stats: stats.counters.packets_received == 1)


def test_a_member_of_a_group_has_a_name_and_is_of_its_worker(make_plane: MakePlane) -> None:
    plane = make_plane(workers=2)
    plane.add_group(1, enveloped=True)
    plane.join_group(1, 2, "PA_a", may_send=True)
    for name in ("", "x" * 256):
        with pytest.raises(ValueError, match=f"the name of a member has {len(name)} octets, not 1..255"):
            plane.join_group(1, 2, name, may_send=True)
    with pytest.raises(ValueError, match="channel 1099511627776 is of worker 1, its group 1 of worker 0"):
        plane.join_group(1, 1 << 40, "PA_a", may_send=True)
    plane.remove(1)
