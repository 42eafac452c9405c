"""Replies of the service, and its settings, as lines for a terminal."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from api.settings import Value
from sfu.quoting import legible

AsJson = Annotated[bool, typer.Option("--json", help="Print the JSON of the service.")]
STEPS = ("wanted", "allowed", "target", "current")


def settings(values: Sequence[Value]) -> Iterator[str]:
    """Returns every setting with its value, origin and meaning."""
    return table([(value.setting.variable, value.shown(), value.source, value.setting.meaning) for value in values])


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Formats rows of equal length in columns as wide as their longest cell."""
    rows = [[legible(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def plain(items: Iterable[BaseModel]) -> Iterator[dict[str, Any]]:
    """Yields items of an answer as the JSON that the service sent."""
    return (item.model_dump(mode="json", exclude_unset=True) for item in items)


def show(items: Iterable[BaseModel], name: str, columns: tuple[str, ...], as_json: bool) -> None:
    """Prints a list: as JSON, or these columns as a table."""
    found = list(plain(items))
    rows = [columns, *(tuple(str(item[column]) for column in columns) for item in found)]
    for line in [json.dumps({name: found}, indent=2)] if as_json else table(rows):
        print(line)


def explanations(subscriptions: Sequence[Mapping[str, Any]], now: int) -> Iterator[str]:
    """Formats explanations; `now` is in ms since the epoch. One block per track, separated by empty lines."""
    for index, subscription in enumerate(subscriptions):
        if index:
            yield ""
        yield legible(subscription["sentence"])
        for step in STEPS:
            yield f"  {step:9}{_picture(subscription[step])}"
        if subscription["since"]:
            yield f"  {'since':9}{_ago(subscription['since'], now)}"
        for decision in subscription["decisions"]:
            yield f"  {_ago(decision['at'], now):>12}  {decision['what']:10}{_decision(decision)}"


def _picture(picture: Mapping[str, Any] | None) -> str:
    if picture is None:
        return "nothing"
    size = f"{picture['width']}x{picture['height']}" if picture["width"] else ""
    rate = f"{picture['fps']:.0f} frames/s" if picture["fps"] else ""
    bits = f"{picture['bitrate'] / 1000:.0f} kbit/s" if picture["bitrate"] else ""
    return "  ".join(part for part in (_layer(picture["layer"]), size, rate, bits) if part)


def _layer(layer: Mapping[str, int]) -> str:
    return f"S{layer['spatial']} T{layer['temporal']}"


def _decision(decision: Mapping[str, Any]) -> str:
    about = decision["what"] in ("target", "current")
    layer = _layer(decision["layer"]) if decision["layer"] is not None else "nothing" if about else ""
    cause = decision["cause"] if decision["cause"] != "none" else ""
    return "  ".join(part for part in (layer, cause, legible(decision["detail"])) if part)


def _ago(at: int, now: int) -> str:
    """Formats the age of a time. The clocks of this machine and of the service may differ, so a future time counts as
    now."""
    return f"{max(now - at, 0) / 1000:.1f} s ago"
