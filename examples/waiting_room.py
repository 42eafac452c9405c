"""A waiting room: guests join without media, until a host admits them. Then their clients send their offer again.

SFU_KEYS="key: secret" python examples/waiting_room.py URL ROOM [--invite WHO] [--admit WHO] [--refuse WHO]
"""

import argparse
import os

from sfu_client import AccessToken, ClientError, PermissionChanges, SyncClient

WAITS: PermissionChanges = {"can_publish": False, "can_subscribe": False, "can_publish_data": False}
"""A guest sees who is there, since signalling works, and receives nobody's media."""
ADMITTED: PermissionChanges = {"can_publish": True, "can_subscribe": True, "can_publish_data": True}


def main() -> None:
    parser = argparse.ArgumentParser(description="Keeps guests waiting until they are admitted.")
    parser.add_argument("url")
    parser.add_argument("room")
    parser.add_argument("--invite", metavar="WHO", help="print a token with which this guest waits")
    parser.add_argument("--admit", metavar="WHO", help="let this guest send and receive")
    parser.add_argument("--refuse", metavar="WHO", help="remove this guest and refuse its present tokens")
    wish = parser.parse_args()
    key, _, secret = os.environ["SFU_KEYS"].split(",")[0].partition(":")
    if wish.invite:
        guest = AccessToken(
            identity=wish.invite,
            room=wish.room,
            room_join=True,
            can_publish=WAITS["can_publish"],
            can_subscribe=WAITS["can_subscribe"],
            can_publish_data=WAITS["can_publish_data"],
        )
        print(guest.sign(key.strip(), secret.strip()))
        return
    with SyncClient(wish.url, key=key.strip(), secret=secret.strip()) as sfu:
        if wish.admit:
            sfu.change_participant(wish.room, wish.admit, permissions=ADMITTED)
        if wish.refuse:
            sfu.remove_participant(wish.room, wish.refuse)
        for person in sfu.all_participants(wish.room):
            print(person.identity, "is in" if person.permissions.can_subscribe else "waits")


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        raise SystemExit(str(error)) from None
