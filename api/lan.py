"""`--lan`: a certificate for the address in the local network, and a QR code for a phone."""

import datetime
import io
import ipaddress

from api.settings import SettingsError

DAYS = 30
"""Browsers ask again to trust a self-signed certificate when it changes, so it is not renewed at every start."""
_MISSING = "--lan needs the packages cryptography and segno: pip install 'sfu[lan]'."


def certificate(address: str) -> tuple[str, str]:
    """Returns a self-signed certificate for an IP address and its key, both as PEM."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise SettingsError(_MISSING) from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"sfu at {address}")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]),
            False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    return (
        made.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode(),
    )


def is_good(pem: str, address: str) -> bool:
    """Returns whether a stored certificate is valid for this address and for another day."""
    try:
        from cryptography import x509
    except ImportError:
        raise SettingsError(_MISSING) from None
    try:
        kept = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return False
    names = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    return (
        ipaddress.ip_address(address) in names.get_values_for_type(x509.IPAddress)
        and kept.not_valid_after_utc > tomorrow
    )


def qr_code(url: str) -> str:
    """Returns the QR code for a terminal, dark on light."""
    try:
        import segno
    except ImportError:
        raise SettingsError(_MISSING) from None
    drawn = io.StringIO()
    segno.make(url, error="l").terminal(out=drawn, compact=True)
    return drawn.getvalue()
