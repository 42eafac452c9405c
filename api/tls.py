"""TLS of the public listener. The certificate files can be reloaded while connections are open."""

import logging
import os
import ssl
import tempfile
from pathlib import Path

from api.settings import SettingsError

log = logging.getLogger(__name__)


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Returns the TLS context. Raises SettingsError if the files are no certificate and its key."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"SFU_TLS_CERT and SFU_TLS_KEY do not hold a certificate and its key, in PEM: {reason}."
        ) from None
    return made


def context_of_text(certificate: str, key: str) -> ssl.SSLContext:
    """Returns the context for PEM in memory; the library reads only files."""
    with tempfile.TemporaryDirectory() as folder:
        chain, secret = Path(folder, "cert.pem"), Path(folder, "key.pem")
        chain.write_text(certificate)
        os.close(os.open(secret, os.O_CREAT | os.O_EXCL, 0o600))
        secret.write_text(key)
        return context(chain, secret)


def reload(live: ssl.SSLContext, certificate: Path, key: Path) -> bool:
    """Reloads the files. New connections use the new certificate. Unusable files change nothing."""
    try:
        context(certificate, key)
    except SettingsError as error:
        log.error("the certificate was not reloaded: %s", error)
        return False
    live.load_cert_chain(certificate, key)
    log.info("the certificate was reloaded")
    return True
