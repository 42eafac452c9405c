"""How the `sfu` commands reach a running service: its address, key and certificate, as clients of `sfu_client`."""

import os
import ssl
import time

from api import auth, devfile
from api.settings import CLIENT, TABLE, SettingsError
from sfu_client import AccessToken, SyncClient, SyncInternalClient, Unreachable

TOKEN_TTL = 60.0
"""Seconds."""
POLL = 0.25
"""Seconds between two polls of a drain."""


def credentials() -> tuple[str, str]:
    """Returns the key that signs tokens, and its secret."""
    environ = os.environ
    if environ.get("SFU_API_KEY") or environ.get("SFU_API_SECRET"):
        if not (environ.get("SFU_API_KEY") and environ.get("SFU_API_SECRET")):
            raise SettingsError("Only one of SFU_API_KEY and SFU_API_SECRET is set: set both.")
        if len(environ["SFU_API_SECRET"].encode()) < auth.MIN_SECRET:
            raise SettingsError(f"SFU_API_SECRET has fewer than {auth.MIN_SECRET} bytes: servers refuse it.")
        return environ["SFU_API_KEY"], environ["SFU_API_SECRET"]
    if environ.get("SFU_KEYS"):
        try:
            keys = next(setting for setting in TABLE if setting.name == "keys").parse(environ["SFU_KEYS"])
        except ValueError as error:
            raise SettingsError(f"SFU_KEYS {error}.") from None
        for key, secret in keys.items():
            return str(key), str(secret)
    kept = devfile.load()
    if kept is None:
        known = ", ".join(name for name in CLIENT if name != "SFU_URL")
        raise SettingsError(
            f"There is no key to sign with: set {known}, or SFU_KEYS, or start `sfu serve --dev` in this folder first."
        )
    return kept.key, kept.secret


def service() -> SyncClient:
    """Returns a client of the service at SFU_URL, as an administrator."""
    key, secret = credentials()
    admin = AccessToken(identity="sfu-cli", room_admin=True, room_create=True, room_list=True)
    url = os.environ.get("SFU_URL")
    if not url:
        kept = devfile.load()
        url = kept.url if kept and kept.url else "http://127.0.0.1:7880"
    try:
        return SyncClient(url, token=lambda: admin.sign(key, secret, ttl=TOKEN_TTL), verify=_trust(url))
    except ValueError:
        raise SettingsError(f"SFU_URL needs to begin with http:// or https:// and a host, not {url!r}.") from None


def internal(purpose: str) -> SyncInternalClient:
    """Returns a client of the internal listener, which `purpose` connects to."""
    environ = os.environ
    port = environ.get("SFU_INTERNAL_PORT")
    if not port:
        raise SettingsError(
            f"SFU_INTERNAL_PORT is not set: set it to the service's internal port, which {purpose} connects to."
        )
    host = (environ.get("SFU_INTERNAL_HOST") or environ.get("SFU_HOST") or "127.0.0.1").split(",")[0].strip()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        return SyncInternalClient(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    except ValueError:
        raise SettingsError(f"SFU_INTERNAL_HOST and SFU_INTERNAL_PORT are no address: {host}, {port}.") from None


def drain(limit: float | None, *, wait: bool) -> None:
    """Starts a drain. With `wait`, returns when all participants have left or the service has ended."""
    with internal("drain") as client:
        state = client.drain(limit=limit)
        while wait and state.state not in ("closed", "failed") and state.participants:
            time.sleep(POLL)
            try:
                state = client.show_drain()
            except Unreachable:
                return


def _trust(url: str) -> ssl.SSLContext | bool:
    """Returns the TLS trust for a URL: the self-signed certificate of --lan if this folder has one, else the
    default."""
    kept = devfile.load() if url.startswith("https://") else None
    if kept is None or not kept.certificate:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=kept.certificate)
    return context
