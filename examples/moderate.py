"""Moderates a room from a backend, with HTTP and a JWT only.

SFU_KEYS="key: secret" python examples/moderate.py URL ROOM [--mute WHO] [--remove WHO] [--say TEXT] [--lock]
"""

import argparse
import os
import time
from typing import Any

import httpx
import jwt


def token(room: str) -> str:
    """Returns a token that moderates one room for a minute."""
    key, _, secret = os.environ["SFU_KEYS"].partition(":")
    grant = {"room": room, "roomAdmin": True}
    claims = {"iss": key.strip(), "sub": "moderator", "exp": int(time.time()) + 60, "video": grant}
    return jwt.encode(claims, secret.split(",")[0].strip(), algorithm="HS256")


class Room:
    """The REST API of one room. Each error is a problem document (RFC 9457), whose `detail` is a sentence."""

    def __init__(self, url: str, name: str) -> None:
        self._url = f"{url}/v1/rooms/{name}"
        self._http = httpx.Client(headers={"Authorization": f"Bearer {token(name)}"})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, self._url + path, json=body)
        if answer.is_error:
            raise SystemExit(answer.json()["detail"])
        return answer.json() if answer.content else None

    def mute(self, identity: str) -> None:
        """Mutes all tracks of a participant. Only a moderator can unmute them."""
        for track in self.ask("GET", f"/participants/{identity}")["tracks"]:
            self.ask("POST", f"/participants/{identity}/mute", {"track": track["sid"], "muted": True})

    def show(self) -> None:
        for person in self.ask("GET", "/participants")["participants"]:
            print(f"{person['identity']} ({person['state']})")
        for published in self.ask("GET", "/tracks")["tracks"]:
            track, bitrate = published["track"], sum(encoding["bitrate"] for encoding in published["encodings"])
            how = "muted" if track["muted"] else f"{bitrate // 1000} kbit/s"
            print(f"  {published['participant']}: {track['source']} {track['mime']}, {how}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Moderates a room from a backend.")
    parser.add_argument("url")
    parser.add_argument("room")
    parser.add_argument("--mute", metavar="WHO", help="mute all tracks of this identity")
    parser.add_argument("--remove", metavar="WHO", help="remove this identity and refuse its present tokens")
    parser.add_argument("--say", metavar="TEXT", help="send a data message to everybody")
    parser.add_argument("--lock", action="store_true", help="admit no new participants")
    wish = parser.parse_args()
    room = Room(wish.url, wish.room)
    if wish.mute:
        room.mute(wish.mute)
    if wish.remove:
        room.ask("DELETE", f"/participants/{wish.remove}")
    if wish.say:
        room.ask("POST", "/data", {"text": wish.say})
    if wish.lock:
        room.ask("PATCH", "", {"locked": True})
    room.show()


if __name__ == "__main__":
    main()
