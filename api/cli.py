"""The `sfu` command."""

import inspect
import json
import os
import sys
import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from api import coturn, doctor, reaching, report, turn_check, webhook_commands
from api.report import AsJson
from api.settings import TABLE, Mode, Settings, SettingsError, parse, read, require_startable
from sfu import names
from sfu.config import Config
from sfu.errors import NativeModuleError, SfuError
from sfu.model import Source
from sfu_client import AccessToken, ClientError, new_jti

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A selective forwarding unit: WebRTC rooms over REST and WebSocket.",
)
rooms = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, create and delete rooms (at SFU_URL).")
participants = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List and remove participants (at SFU_URL)."
)
app.add_typer(webhook_commands.app, name="webhooks")
app.add_typer(rooms, name="rooms")
app.add_typer(participants, name="participants")

FAILED = 1
USAGE = 2


def main() -> None:
    try:
        app()
    except (ClientError, NativeModuleError) as error:
        _fail(str(error), FAILED)
    except SettingsError as error:
        _fail(str(error), USAGE)


def _fail(sentence: str, code: int) -> None:
    print(f"sfu: {sentence}", file=sys.stderr)
    raise SystemExit(code)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"sfu {Config().version}")
        raise typer.Exit


@app.callback()
def _common_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


# serve


def _serve(**given: Any) -> None:
    mode = Mode(dev=given.pop("dev"), lan=given.pop("lan"))
    print_config = given.pop("print_config")
    settings, values = parse(os.environ, given, mode)
    if print_config:
        print("\n".join(report.settings(values)))
        _warn_if_not_startable(settings)
        return
    require_startable(settings)
    from api.main import run  # The other commands start faster without the service, and work without the native module.

    raise SystemExit(run(settings))


def _warn_if_not_startable(settings: Settings) -> None:
    try:
        require_startable(settings)
    except SettingsError as error:
        print(f"sfu: the service would not start: {error}", file=sys.stderr)


def _serve_signature() -> inspect.Signature:
    """One flag for each row of the table of settings, by the same name."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    switches = (
        ("dev", "--dev", "Development mode: creates a key, and tokens for this machine; one worker."),
        (
            "lan",
            "--lan",
            "For phones in the local network: announces this machine's address, with a self-signed certificate.",
        ),
        ("print_config", "--print-config", "Print every setting with its value, origin and meaning, and exit."),
    )
    parameters = [
        inspect.Parameter(name, keyword, default=False, annotation=Annotated[bool, typer.Option(flag, help=meaning)])
        for name, flag, meaning in switches
    ]
    for setting in TABLE:
        option = typer.Option(
            setting.flag, help=f"{setting.meaning} [{setting.variable}]", metavar="TEXT", show_default=False
        )
        parameters.append(
            inspect.Parameter(setting.name, keyword, default=None, annotation=Annotated[str | None, option])
        )
    return inspect.Signature(parameters)


_serve.__signature__ = _serve_signature()  # type: ignore[attr-defined]
app.command("serve", help="Run the service. Every flag is also a variable, SFU_NAME; the flag has priority.")(_serve)


# token


@app.command()
def token(
    identity: Annotated[str, typer.Option(help="The identity: the application's own name of the participant.")],
    room: Annotated[str, typer.Option(help="The only room of the token. Omitted: every room.")] = "",
    name: Annotated[str, typer.Option(help="The name shown to others.")] = "",
    metadata: Annotated[str, typer.Option(help="Free text of the application.")] = "",
    ttl: Annotated[float, typer.Option(help="Seconds until the token expires.", min=1, max=1e9)] = 6 * 3600,
    join: Annotated[bool, typer.Option("--join/--no-join", help="May join.")] = True,
    publish: Annotated[bool, typer.Option("--publish/--no-publish", help="May publish tracks.")] = True,
    subscribe: Annotated[bool, typer.Option("--subscribe/--no-subscribe", help="May subscribe to tracks.")] = True,
    data: Annotated[bool, typer.Option("--data/--no-data", help="May send data.")] = True,
    source: Annotated[list[Source] | None, typer.Option(help="May publish only these sources.")] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Not seen by others.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="May moderate the room by REST.")] = False,
    create: Annotated[bool, typer.Option("--create", help="May create and delete rooms by REST.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="May list rooms by REST.")] = False,
    tokens: Annotated[bool, typer.Option("--tokens", help="May make tokens with no more rights by REST.")] = False,
    max_viewers: Annotated[
        int, typer.Option(min=0, help="Maximum WHEP sessions in a room, if more than the service's setting.")
    ] = 0,
    update_own: Annotated[bool, typer.Option("--update-own", help="May change its own name and metadata.")] = False,
) -> None:
    """Print a token, signed with SFU_API_KEY and SFU_API_SECRET, the first of SFU_KEYS, or the development key."""
    try:
        names.identity(identity)
        if room:
            names.room_name(room)
    except SfuError as error:
        raise SettingsError(f"A server would refuse this token: {error}.") from None
    key, secret = reaching.credentials()
    given = AccessToken(
        identity=identity,
        name=name,
        room=room,
        room_join=join,
        room_admin=admin,
        room_create=create,
        room_list=list_,
        token_create=tokens,
        can_publish=publish,
        can_subscribe=subscribe,
        can_publish_data=data,
        can_publish_sources=source or (),
        can_update_own_metadata=update_own,
        hidden=hidden,
        metadata=metadata,
        jti=new_jti(),
        max_viewers=max_viewers,
    )
    print(given.sign(key, secret, ttl=ttl))


# rooms, participants


@rooms.command("list")
def list_rooms(as_json: AsJson = False) -> None:
    """List the rooms of the service."""
    with reaching.service() as client:
        report.show(
            client.all_rooms(), "rooms", ("name", "sid", "num_participants", "num_publishers", "locked"), as_json
        )


@rooms.command("create")
def create_room(
    name: str,
    max_participants: Annotated[int | None, typer.Option(min=0, help="0: no limit.")] = None,
    empty_timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds until it is deleted if nobody joins.")
    ] = None,
    departure_timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds until it is deleted once the last participant left.")
    ] = None,
    metadata: Annotated[str | None, typer.Option(help="Free text of the application.")] = None,
    locked: Annotated[bool | None, typer.Option("--locked", help="No new participant may join.")] = None,
    last_n: Annotated[
        int | None, typer.Option(min=0, help="Maximum video tracks that a participant is shown. 0: all.")
    ] = None,
    on_stage: Annotated[
        list[str] | None, typer.Option(help="An identity whose video is shown first. Repeat for more.")
    ] = None,
    loudest: Annotated[
        int | None, typer.Option(min=0, help="Maximum microphones that are forwarded at a time. 0: all.")
    ] = None,
) -> None:
    """Create a room and print its sid. A room that exists with the same options is no error."""
    with reaching.service() as client:
        room = client.create_room(
            name,
            max_participants=max_participants,
            empty_timeout=empty_timeout,
            departure_timeout=departure_timeout,
            metadata=metadata,
            locked=locked,
            last_n=last_n,
            on_stage=on_stage or None,
            loudest=loudest,
        )
    print(room.sid)


@rooms.command("delete")
def delete_room(name: str) -> None:
    """Close a room. Its participants receive the reason."""
    with reaching.service() as client:
        client.delete_room(name)


@participants.command("list")
def list_participants(room: str, as_json: AsJson = False) -> None:
    """List the participants of a room."""
    with reaching.service() as client:
        report.show(
            client.all_participants(room), "participants", ("identity", "sid", "name", "state", "kind"), as_json
        )


@participants.command("remove")
def remove_participant(room: str, identity: str) -> None:
    """Remove a participant. Its earlier tokens no longer admit it."""
    with reaching.service() as client:
        client.remove_participant(room, identity)


@participants.command("readmit")
def readmit_participant(
    room: str,
    identity: str,
    jti: Annotated[
        str | None, typer.Option(help="The id of one token. Omitted: every token issued from now on.")
    ] = None,
) -> None:
    """Readmit a participant that was removed, or whose grant was reduced."""
    with reaching.service() as client:
        client.readmit_participant(room, identity, jti=jti or None)


@app.command()
def explain(room: str, identity: str, as_json: AsJson = False) -> None:
    """Explain why a participant receives each track as it does: a sentence, the layers, the decisions of the last
    minute."""
    with reaching.service() as client:
        subscriptions = list(report.plain(client.all_explanations(room, identity)))
    if as_json:
        print(json.dumps({"subscriptions": subscriptions}, indent=2))
        return
    for line in report.explanations(subscriptions, now=int(time.time() * 1000)):
        print(line)
    if not subscriptions:
        print(f"No other participant publishes a track that {identity} may receive.")


@app.command()
def events(
    room: Annotated[str, typer.Option(help="Only events of the rooms of this name. Omitted: all rooms.")] = "",
    after: Annotated[
        str, typer.Option(help="The id of the last event that you have. Omitted: all that are kept.")
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more events, until the service ends.")
    ] = False,
) -> None:
    """Print what happened in the rooms, one event of JSON per line."""
    with reaching.service() as client:
        if not follow:
            for event in report.plain(client.all_events(after=after, room=room or None)):
                print(json.dumps(event))
            return
        print_missed = partial(print, json.dumps({"type": "missed"}), flush=True)
        with client.follow(after=after, room=room or None, on_missed=print_missed, resume=False) as following:
            for event in report.plain(following):
                print(json.dumps(event), flush=True)
            if following.ended:
                print(json.dumps({"type": "end", "reason": following.ended}), flush=True)


# drain, doctor


@app.command()
def drain(
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when all participants have left, or at the limit.")
    ] = False,
    limit: Annotated[
        float | None, typer.Option(min=0, help="Seconds that present participants have. Omitted: SFU_DRAIN_LIMIT.")
    ] = None,
) -> None:
    """Drain: admit no new participants, and stop the service when it is empty. Uses the internal listener
    (SFU_INTERNAL_PORT)."""
    reaching.drain(limit, wait=wait)


@app.command("coturn")
def write_coturn(
    folder: Annotated[Path, typer.Argument(help="The folder to write turnserver.conf and turnserver.nft into.")],
    cert: Annotated[str, typer.Option(help="The certificate chain (PEM), on the TURN server.")] = "",
    key: Annotated[str, typer.Option(help="Its private key (PEM), on the TURN server.")] = "",
    user: Annotated[str, typer.Option(help="The user of the process turnserver.")] = "turnserver",
) -> None:
    """Write the configuration of coturn: it relays to the media ports of this service only. Set the variables as for
    the service."""
    settings, _ = read(os.environ, {}, Mode(dev=not os.environ.get("SFU_KEYS")))
    defaults = coturn.Coturn()
    server = coturn.Coturn(cert or defaults.certificate, key or defaults.private_key, user)
    coturn.write(settings, server, folder)
    print(f"Wrote {folder / coturn.CONFIGURATION} (with SFU_TURN_SECRET; only you can read it) and ", end="")
    print(f"{folder / coturn.FIREWALL}.")
    print(f"On the TURN server: nft -f {coturn.FIREWALL} && turnserver -c {coturn.CONFIGURATION}")


class Severity(StrEnum):
    GOOD = "ok"
    BAD = "FAIL"


@app.command("doctor")
def check_up(
    dev_mode: Annotated[bool, typer.Option("--dev", help="For `sfu serve --dev`.")] = False,
    turn: Annotated[
        list[str] | None,
        typer.Option(
            help="Check only the TURN server at this address, such as turn:turn.example.com?transport=tcp: whether it "
            "accepts our credentials, and relays to our media and nothing else. Repeat for more.",
            metavar="URL",
        ),
    ] = None,
) -> None:
    """Check what the service needs: ports, UDP buffers, announced addresses, crypto, UDP_SEGMENT. One line each."""
    settings, _ = read(os.environ, {}, Mode(dev=dev_mode or not os.environ.get("SFU_KEYS")))
    try:
        findings = (
            [one for url in turn for one in turn_check.examine(settings, url)] if turn else doctor.examine(settings)
        )
    except ValueError as error:
        raise SettingsError(f"--turn {error}.") from None
    for finding in findings:
        severity = Severity.GOOD if finding.is_good else Severity.BAD
        fix = f" Fix: {finding.fix}." if finding.fix else ""
        print(f"{severity.value:4}  {finding.what}: {finding.found}.{fix}")
    if not all(finding.is_good for finding in findings):
        raise SystemExit(FAILED)


if __name__ == "__main__":
    main()
