"""What development mode keeps in `.sfu-dev.json`: a key of its own, which the client commands find there."""

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
    """What the file holds: enough for the client commands to speak to the service."""

    key: str
    secret: str
    url: str = ""
    certificate: str = ""
    """PEM, self-signed, of --lan."""
    private_key: str = ""


def load(path: Path = FILE) -> Development | None:
    """What an earlier start left behind; None if there is nothing usable."""
    try:
        kept = Development(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return kept if kept.key and len(kept.secret.encode()) >= MIN_SECRET else None


def open_or_make(path: Path = FILE) -> Development:
    """The key of this folder. A new one is made once, so that tokens outlive a restart."""
    return load(path) or Development("dev" + secrets.token_hex(4), secrets.token_urlsafe(32))


def keep(development: Development, path: Path = FILE) -> None:
    """Writes the file, for its owner alone. Raises SettingsError."""
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({name: value for name, value in asdict(development).items() if value}, file, indent=2)
        draft.replace(path)
    except OSError as error:
        raise SettingsError(
            f"--dev keeps its key in {path.absolute()}, and cannot write it: {error.strerror}."
        ) from None


def with_key(settings: Settings, development: Development) -> Settings:
    """The development key first, beside those that were given."""
    return replace(settings, keys={development.key: development.secret, **settings.keys})
