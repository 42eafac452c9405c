"""`sfu …` over a fake plane, for tests of the process: `python -m tests.api.serve_fake serve --dev`."""

from typing import Any

from api import cli, main
from api.settings import Settings

from .plane import CountingPlane

run = main.run


def run_fake(settings: Settings, **_: Any) -> int:
    return run(settings, plane=CountingPlane(settings.workers))


main.run = run_fake

if __name__ == "__main__":
    cli.main()
