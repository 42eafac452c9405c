"""The file `.sfu-dev.json` of development mode: its API key, which the client commands use."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from api.auth import MIN_SECRET
from api.settings import Settings, SettingsError

FILE = Path(".sfu-dev.json")


@dataclass(frozen=True, slots=True)
class Development:
    """The contents of the file: enough for the client commands to reach the service."""

    key: str
    secret: str
    url: str = ""
    certificate: str = ""
    """PEM, self-signed, of --lan."""
    private_key: str = ""


def load(path: Path = FILE) -> Development | None:
    """Returns the contents of an earlier start. None: there is nothing usable."""
    try:
        kept = Development(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return kept if kept.key and len(kept.secret.encode()) >= MIN_SECRET else None


def open_or_make(path: Path = FILE) -> Development:
    """Returns the key of this folder. It is created once, so tokens outlive a restart."""
    return load(path) or Development("dev" + secrets.token_hex(4), secrets.token_urlsafe(32))


def keep(development: Development, path: Path = FILE) -> None:
    """Writes the file, readable by its owner only. Raises SettingsError."""
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({name: value for name, value in asdict(development).items() if value}, file, indent=2)
        draft.replace(path)
    except OSError as error:
        raise SettingsError(
            f"--dev cannot write its key to {path.absolute()}: {error.strerror}. Start it in a writable folder."
        ) from None


def with_key(settings: Settings, development: Development) -> Settings:
    """Returns the keys with the development key first."""
    return replace(settings, keys={development.key: development.secret, **settings.keys})
