"""The command line: `python -m loadtest bot --room R`, and the measurements `join`, `forward` and `layers`."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx

from loadtest import forward, join, layers, sources
from loadtest.bot import Bot
from loadtest.recorder import Recorder
from loadtest.signaling import Refused, dev_token

FAILED, USAGE = 1, 2
JOINED = "joined"
"""The beginning of the bot's first line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    if getattr(options, "background", False):
        return _start_in_background(sys.argv[1:] if arguments is None else arguments)
    try:
        run: Callable[[argparse.Namespace], Coroutine[Any, Any, int]] = options.run
        return asyncio.run(run(options))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        sentence = str(error) or "it did not answer in time"
        print(f"loadtest: the server cannot be asked for a token: {sentence}", file=sys.stderr)
    except (Refused, OSError, TimeoutError, ValueError) as error:
        print(f"loadtest: {error or 'the server did not answer in time'}", file=sys.stderr)
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest", description="Test participants, and measurements of a service."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    # Abbreviations are off, so that --background can be found and removed from the second process's arguments.
    bot = commands.add_parser("bot", help="one participant that plays and records", allow_abbrev=False)
    bot.add_argument("--room", required=True, help="the room to join")
    url = os.environ.get("SFU_URL") or "http://127.0.0.1:7880"
    bot.add_argument("--url", default=url, help="address of the server (default: SFU_URL, now %(default)s)")
    bot.add_argument("--token", help="default: a development token, which the server gives in development mode")
    bot.add_argument("--identity", default="bot", help="its identity, if --token is not given (default: %(default)s)")
    played = bot.add_mutually_exclusive_group()
    played.add_argument("--play", type=Path, metavar="FILE", help="publish video and audio of a file in a loop")
    played.add_argument("--test-card", action="store_true", help="publish a moving test card and a tone")
    bot.add_argument("--card", type=int, default=1, help="number of the test card, 0 to 255 (default: %(default)s)")
    bot.add_argument(
        "--size", type=_size, default=(640, 360), metavar="WxH", help="size of the test card (default: 640x360)"
    )
    bot.add_argument("--fps", type=int, default=15, help="frame rate of the test card (default: %(default)s)")
    bot.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="folder for one PNG per second of each video track and one WAV of each audio track",
    )
    bot.add_argument("--seconds", type=float, help="leave after this many seconds (default: when interrupted)")
    bot.add_argument("--json", action="store_true", help="report as JSON")
    bot.add_argument("--background", action="store_true", help="return once it has joined, and leave it running")
    bot.set_defaults(run=_bot)
    joins = commands.add_parser(
        "join", help="measure the time of a join and the memory of a viewer: a table with the targets"
    )
    joins.add_argument("--repetitions", type=int, default=20, help="number of joins (default: %(default)s)")
    joins.add_argument("--only", choices=join.PARTS, action="append", help="only this part (default: all)")
    joins.set_defaults(run=_join)
    forwards = commands.add_parser("forward", help="measure the CPU time of the service for each forwarded packet")
    forwards.add_argument(
        "--seconds", type=float, default=20.0, help="seconds of each measurement (default: %(default)g)"
    )
    forwards.add_argument("--viewers", type=int, action="append", help="number of viewers (default: 10, then 100)")
    forwards.set_defaults(run=_forward)
    switches = commands.add_parser("layers", help="measure how fast layers switch, and the cost for publishers")
    switches.add_argument(
        "--repetitions", type=int, default=20, help="number of switches in each direction (default: %(default)s)"
    )
    switches.add_argument("--only", choices=layers.PARTS, action="append", help="only this part (default: all)")
    switches.set_defaults(run=_layers)
    return parser


def _start_in_background(arguments: Sequence[str]) -> int:
    """Runs the same command in another process, and returns when that has joined or failed."""
    command = [sys.executable, "-m", "loadtest", *(given for given in arguments if given != "--background")]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    with child.stderr:
        for line in child.stderr:
            print(line, end="", file=sys.stderr)
            if line.startswith(JOINED):
                print(f"process {child.pid}")
                child.returncode = 0  # It outlives this process on purpose, and Popen must not warn of it.
                return 0
    return child.wait() or FAILED


async def _layers(options: argparse.Namespace) -> int:
    await layers.run(options.repetitions, options.only or layers.PARTS)
    return 0


async def _join(options: argparse.Namespace) -> int:
    await join.run(options.repetitions, options.only or join.PARTS)
    return 0


async def _forward(options: argparse.Namespace) -> int:
    await forward.run(options.seconds, options.viewers or forward.SIZES)
    return 0


async def _bot(options: argparse.Namespace) -> int:
    source = None
    if options.play is not None:
        source = sources.file(options.play)
    elif options.test_card:
        width, height = options.size
        source = sources.card(options.card, width, height, options.fps)
    recorder = Recorder(options.record) if options.record is not None else None
    token = options.token or await dev_token(options.url, options.room, options.identity)
    async with Bot(options.url, room=options.room, token=token, source=source, recorder=recorder) as bot:
        staying = asyncio.ensure_future(bot.until(lambda: bot.left, limit=options.seconds))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, staying.cancel)
        # This line is printed last, because its reader may end this process immediately.
        print(f"{JOINED} {options.room} as {bot.joined.you.identity}, media {bot.pc.connectionState}", file=sys.stderr)
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await staying
        report, left = bot.report(), bot.left
    print(json.dumps(report, indent=2) if options.json else _text(report))
    if left is not None:
        raise Refused(left.reason.value, f"out before the time: {left.message}")
    return 0


def _text(report: dict[str, object]) -> str:
    received = report["received"]
    assert isinstance(received, list)
    lines = [f"{report['identity']} in {report['room']}: {len(received)} tracks received, media {report['media']}"]
    for track in received:
        figures = ", ".join(f"{key} {value}" for key, value in track.items() if key not in ("participant", "source"))
        lines.append(f"  {track['participant']} {track['source']}: {figures}")
    return "\n".join(lines)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()) or int(width) % 2 or int(height) % 2 or not int(width) * int(height):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 640x360, of even numbers")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
