"""Reads the settings from environment and flags, and checks them."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.settings.table import CLIENT, PREFIX, TABLE, Setting
from api.settings.values import Mode, Settings, SettingsError
from sfu.quoting import quote

_ORDINARY = Mode()


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a setting as text, and its origin: `environment`, `flag` or `default`."""

    setting: Setting
    text: str
    source: str

    def shown(self) -> str:
        """Returns the value for display, without secrets."""
        hide = self.setting.hide
        return (hide(self.text) if hide is not None else self.text) or "-"


def read(
    environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None, mode: Mode = _ORDINARY
) -> tuple[Settings, list[Value]]:
    """Returns the settings, and each row of the table with the origin of its value.

    A flag overrides a variable. Raises SettingsError with one sentence if the service cannot start with these settings.
    """
    settings, values = parse(environ, flags, mode)
    require_startable(settings)
    return settings, values


def parse(
    environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None, mode: Mode = _ORDINARY
) -> tuple[Settings, list[Value]]:
    """As `read`, but required settings may be missing and settings may contradict each other."""
    flags = flags or {}
    _refuse_unknown(environ)
    values: list[Value] = []
    parsed: dict[str, Any] = {}
    for setting in TABLE:
        given = flags.get(setting.name)
        if given is not None:
            value, where = Value(setting, given.strip(), "flag"), setting.flag
        elif setting.variable in environ:
            value, where = Value(setting, environ[setting.variable].strip(), "environment"), setting.variable
        else:
            value, where = Value(setting, setting.default(mode), "default"), setting.variable
        try:
            parsed[setting.name] = setting.parse(value.text)
        except ValueError as error:
            raise SettingsError(f"{where} {error}{_kubernetes(where, value.text)}.") from None
        values.append(value)
    return Settings(**parsed, mode=mode), values


def require_startable(settings: Settings) -> None:
    """Checks combinations of settings. Raises SettingsError if the service cannot start with them."""
    if not settings.keys and not settings.mode.dev:
        raise SettingsError("SFU_KEYS is not set: give an API key with its secret ('key: secret'), or use --dev.")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "SFU_TLS_CERT" if settings.tls_cert is None else "SFU_TLS_KEY"
        raise SettingsError(f"{missing} is not set: a certificate and its key go together.")
    if settings.turn_urls and not settings.turn_secret:
        raise SettingsError("SFU_TURN_SECRET is not set: SFU_TURN_URLS needs the secret that the TURN servers share.")
    if settings.turn_secret and not settings.turn_urls:
        raise SettingsError("SFU_TURN_URLS is not set: SFU_TURN_SECRET is for the TURN servers that it names.")
    for one in settings.webhooks:
        if one.key and one.key not in settings.keys:
            raise SettingsError(
                f"SFU_WEBHOOKS has the webhook {one.name} with the key {quote(one.key)}, not in SFU_KEYS."
            )
    last = settings.udp_port + settings.workers - 1
    if settings.udp_port and last > 65535:
        raise SettingsError(
            f"SFU_UDP_PORT is too high for {settings.workers} workers: the last would have port {last}."
        )
    media = settings.media_tcp_port
    if media and media in (settings.port, settings.internal_port):
        taken = "SFU_PORT" if media == settings.port else "SFU_INTERNAL_PORT"
        raise SettingsError(f"SFU_TCP_PORT is the same as {taken}: media over TCP needs its own port.")
    if settings.internal_port and settings.internal_port == settings.port:
        raise SettingsError("SFU_INTERNAL_PORT is the same as SFU_PORT: the internal listener needs its own port.")


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {setting.variable for setting in TABLE} | CLIENT.keys()
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known:
            hint = _kubernetes(variable, environ[variable])
            similar = difflib.get_close_matches(variable, known, n=1, cutoff=0.8)
            if not hint and similar:
                hint = f"; did you mean {similar[0]}?"
            raise SettingsError(
                f"{variable} is not a setting{hint or ': see sfu serve --print-config'}.".replace("?.", "?")
            )


def _kubernetes(variable: str, value: str) -> str:
    injected = re.fullmatch(r"SFU_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)", variable)
    if not injected and not re.match(r"(tcp|udp|sctp)://", value):
        return ""
    return (
        "; Kubernetes injects such variables for a Service named sfu: set enableServiceLinks: false in the pod, "
        "or name the Service otherwise"
    )
