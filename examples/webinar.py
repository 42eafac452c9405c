"""A webinar: three on stage, whose video and sound everybody receives, and an audience that only watches.

SFU_KEYS="key: secret" python examples/webinar.py URL ROOM --stage ada,bob,cleo [--audience N]
Run it again with other names to change the stage while the webinar goes on.
"""

import argparse
import json
import os

from sfu_client import AccessToken, ClientError, NotFound, SyncClient

SEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description="Opens a webinar, or changes its stage, and prints tokens as JSON.")
    parser.add_argument("url")
    parser.add_argument("room")
    parser.add_argument("--stage", required=True, metavar="A,B,C", help="the identities on stage, at most three")
    parser.add_argument("--audience", type=int, default=0, metavar="N", help="the number of tokens for the audience")
    wish = parser.parse_args()
    stage = wish.stage.split(",")
    if len(stage) > SEATS:
        raise SystemExit(f"A stage has {SEATS} seats.")
    key, _, secret = os.environ["SFU_KEYS"].split(",")[0].partition(":")
    key, secret = key.strip(), secret.strip()
    with SyncClient(wish.url, key=key, secret=secret) as sfu:
        try:
            before = sfu.show_room(wish.room).on_stage
            sfu.change_room(wish.room, on_stage=stage)
        except NotFound:
            before = ()
            # The publishers of the stage are shown first, so nobody else is among the three.
            sfu.create_room(wish.room, on_stage=stage, last_n=SEATS, loudest=SEATS, empty_timeout=3600)
        present = {person.identity for person in sfu.all_participants(wish.room)}
        for identity in present & (set(stage) | set(before)):
            sfu.change_participant(wish.room, identity, permissions={"can_publish": identity in stage})
    speakers = {one: AccessToken(identity=one, room=wish.room, room_join=True) for one in stage}
    audience = {
        f"viewer-{number}": AccessToken(
            identity=f"viewer-{number}", room=wish.room, room_join=True, can_publish=False, can_publish_data=False
        )
        for number in range(wish.audience)
    }
    print(json.dumps({one: token.sign(key, secret) for one, token in (speakers | audience).items()}))


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        raise SystemExit(str(error)) from None
