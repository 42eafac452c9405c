"""Runs in a container of the image: prints its rights, and how the service drains with a participant.

Arguments: the path of the readiness probe, then the command that the chart calls before it stops a pod.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

from websockets.sync.client import connect

PUBLIC = f"127.0.0.1:{os.environ['SFU_PORT']}"
INTERNAL = f"127.0.0.1:{os.environ['SFU_INTERNAL_PORT']}"
SECONDS = 30


def status(url: str, token: str = "") -> int:
    """Returns the status of a request: a POST if there is a token. 0: nothing listens."""
    body = b"v=0\r\n" if token else None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def token(identity: str) -> str:
    command = ["sfu", "token", "--room", "r", "--identity", identity]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def rights() -> dict[str, str]:
    """Returns the rights of this process."""
    with open("/proc/self/status") as file:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return {name: lines[name].split()[0] for name in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}


def writable() -> list[str]:
    return [folder for folder in ("/", "/tmp", "/opt/sfu", "/var/tmp") if os.access(folder, os.W_OK)]


def main(ready: str, *stop: str) -> dict[str, object]:
    deadline = time.monotonic() + SECONDS
    while status(f"http://{INTERNAL}{ready}") != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    seen: dict[str, object] = {"rights": rights(), "writable": writable(), "ready": status(f"http://{INTERNAL}{ready}")}
    late = token("grace")
    with connect(f"ws://{PUBLIC}/v1/rtc?access_token={token('ada')}") as ada:
        ada.send(json.dumps({"type": "join", "id": 1}))
        draining = subprocess.Popen(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        said = []
        while "draining" not in said:
            said.append(json.loads(ada.recv(timeout=SECONDS))["type"])
        seen["heard"] = [said[0], said[-1]]
        seen["ready while draining"] = status(f"http://{INTERNAL}{ready}")
        seen["live while draining"] = status(f"http://{INTERNAL}/live")
        seen["WHIP while draining"] = status(f"http://{PUBLIC}/v1/whip", late)
        seen["the hook waits"] = draining.poll() is None
    return seen


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
