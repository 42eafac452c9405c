"""The settings of `sfu serve`, from environment and flags: one table. No other package reads SFU_* for the service."""

from api.settings.reading import Value, parse, read, require_startable
from api.settings.table import CLIENT, PREFIX, TABLE, Setting
from api.settings.values import Mode, Settings, SettingsError

__all__ = [
    "CLIENT",
    "PREFIX",
    "TABLE",
    "Mode",
    "Setting",
    "Settings",
    "SettingsError",
    "Value",
    "parse",
    "read",
    "require_startable",
]
