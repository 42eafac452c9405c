"""Planes on loopback that are always closed, and valid specs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sfu.plane import Fingerprint, IceCredentials, Plane, PlaneConfig, TransportSpec


@pytest.fixture
def make_plane() -> Iterator[Callable[..., Plane]]:
    planes: list[Plane] = []

    def make(**changes: Any) -> Plane:
        settings: dict[str, Any] = {"hosts": ["127.0.0.1"], "udp_port": 0, "workers": 1, "seed": 1}
        planes.append(Plane(PlaneConfig(**{**settings, **changes})))
        return planes[-1]

    yield make
    for plane in planes:
        plane.close()


@pytest.fixture
def ice() -> IceCredentials:
    return IceCredentials(local_ufrag="ours", local_pwd="p" * 24, remote_ufrag="theirs", remote_pwd="q" * 24)


@pytest.fixture
def transport_spec(ice: IceCredentials) -> TransportSpec:
    fingerprints = [Fingerprint(hash="sha-256", digest=bytes(32))]
    return TransportSpec(id=1, ice=ice, dtls_role="server", fingerprints=fingerprints, cname="cname")
