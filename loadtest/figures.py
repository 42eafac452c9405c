"""Measured figures as a table: median, 95th percentile, target, and whether it was met."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from loadtest.fleet import quantiles


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    unit: str
    values: tuple[float, ...]
    target: str = ""
    p50_target: float | None = None
    p95_target: float | None = None

    def row(self) -> str:
        p50, p95 = quantiles(self.values)
        missed = (self.p50_target is not None and p50 > self.p50_target) or (
            self.p95_target is not None and p95 > self.p95_target
        )
        verdict = ("missed" if missed else "met") if self.target else ""
        span = f"{p50:9.1f} {p95:9.1f}"
        return f"{self.name:<58} {span} {self.unit:<3} {len(self.values):>3}  {self.target:<26} {verdict}".rstrip()


HEADING = f"{'':<58} {'p50':>9} {'p95':>9} {'':<3} {'n':>3}  target"


async def table(parts: Mapping[str, Callable[[], Awaitable[Sequence[Figure]]]], wanted: Sequence[str]) -> None:
    """Measures the wanted parts and prints each result when it is known."""
    print(HEADING)
    for name, measure in parts.items():
        if name in wanted:
            for figure in await measure():
                print(figure.row(), flush=True)
