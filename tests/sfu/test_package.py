"""The package `sfu` as an application imports it."""

import subprocess
import sys


def test_importing_it_leaves_the_packet_plane_alone_until_a_name_needs_it() -> None:
    script = "import sys, sfu; assert 'sfu.plane' not in sys.modules; sfu.Sfu; assert 'sfu.plane' in sys.modules"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_every_public_name_is_there_and_listed_before_it_is_used() -> None:
    script = """
import sfu
assert 'Sfu' not in vars(sfu) and set(sfu.__all__) <= set(dir(sfu))
from sfu import *
from sfu import Sfu as imported, service
assert not hasattr(sfu, 'Rooms')
assert Sfu is imported is service.Sfu and all(name in globals() for name in sfu.__all__)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
