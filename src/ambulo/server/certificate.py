"""A certificate of this machine's own, for phones give motion to https pages only."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ambulo.errors import MissingExtraError, OutputError, StreamError

_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
DAYS = 365
"""For how long a certificate holds; phones take none that hold for over 825 days."""

_NOWHERE = ("192.0.2.0/32", "100::/128")
"""Addresses that nobody has: of documentation, and where packets are dropped."""


def addresses() -> list[str]:
    """This machine's addresses in its network, the one that leads outside first."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation's network: nothing is sent
            found.append(probe.getsockname()[0])
        except OSError:
            pass
    return list(dict.fromkeys([*found, "127.0.0.1"]))


def certificate(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Paths of a certificate for `names` and its key in `folder`; made if there is none that holds.

    Raises MissingExtraError without the package cryptography, StreamError for what is no name of a
    machine, OutputError where the folder cannot be written to.
    """
    made, key = folder / "ambulo.crt", folder / "ambulo.key"
    if not (made.is_file() and key.is_file() and _holds(made, names)):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            public, private = _make(names)
            with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(private)
            made.write_bytes(public)
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot keep a certificate ({error.strerror}): see to access, or name "
                "another place by XDG_STATE_HOME"
            ) from error
    return made, key


def _holds(path: Path, names: list[str]) -> bool:
    """Whether a certificate is for these names for another week."""
    try:
        from cryptography import x509
    except ImportError as error:
        raise MissingExtraError("cryptography", "serve") from error
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        found.extensions.get_extension_for_class(x509.NameConstraints)
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    known = {str(name.value) for name in alternative}
    week = datetime.now(UTC) + timedelta(days=7)
    return set(names) <= known and found.not_valid_after_utc > week


def _make(names: list[str]) -> tuple[bytes, bytes]:
    """A self-signed certificate for host names and addresses, and its key, as PEM."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise MissingExtraError("cryptography", "serve") from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ambulo on this machine")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=DAYS))
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    own = [_general(name) for name in names]
    for extension, critical in (
        (x509.SubjectAlternativeName(own), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_alone(own), True),
        (server, False),
    ):
        builder = builder.add_extension(extension, critical)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM), private


def _alone(names: list[Any]) -> Any:
    """That a phone which trusts the certificate trusts its key for these names, and no others.

    Of a kind of which nothing is allowed everything is, so that each has one.
    """
    from cryptography import x509

    hosts = [name for name in names if isinstance(name, x509.DNSName)]
    networks = [x509.IPAddress(ipaddress.ip_network(n.value)) for n in names if n not in hosts]
    none = [x509.DNSName("invalid"), *map(x509.IPAddress, map(ipaddress.ip_network, _NOWHERE))]
    return x509.NameConstraints([*none, *hosts, *networks], None)


def _general(name: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not _HOST.fullmatch(name):
            raise StreamError(
                f"--name {name}: is no name of a machine: write letters, digits, - and dots, and "
                "others as in xn--mller-kva.local"
            ) from None
        return x509.DNSName(name)
