"""A small certificate authority and a leaf for loopback, kept in a directory."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
    PublicKeyTypes,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if sys.platform != "win32":
    import fcntl

CA_DAYS = 3650
LEAF_DAYS = 365
RENEW_BEFORE = datetime.timedelta(days=30)
NAMES = ("localhost",)
ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of the authority (to be trusted by clients) and of the listener's certificate."""

    ca_file: Path
    leaf_file: Path
    key_file: Path

    def server_context(self) -> ssl.SSLContext:
        """TLS of the listener: ALPN ``h2`` and ``http/1.1``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.leaf_file, self.key_file)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


def ensure_certificates(directory: Path, *, host: str = "127.0.0.1") -> Certificates:
    """The certificates in ``directory``; made when missing, damaged or about to end.

    Args:
        directory: made when missing; files are ``ca.pem``, ``leaf.pem``, ``leaf-key.pem`` and
            ``ca-key.pem``, keys readable by their owner only.
        host: a further name or address for the leaf besides 127.0.0.1, ::1 and localhost.

    Raises:
        OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = Certificates(directory / "ca.pem", directory / "leaf.pem", directory / "leaf-key.pem")
    with _alone(directory / ".lock"):
        if not _usable(files, host):
            _make(files, directory / "ca-key.pem", host)
    return files


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time, so that the files of two makings do not mix."""
    with lock.open("a") as file:
        if sys.platform != "win32":  # there, two first starts at once are left to chance
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _usable(files: Certificates, host: str) -> bool:
    try:
        ca = x509.load_pem_x509_certificate(files.ca_file.read_bytes())
        leaf = x509.load_pem_x509_certificate(files.leaf_file.read_bytes())
        key = serialization.load_pem_private_key(files.key_file.read_bytes(), None)
        leaf.verify_directly_issued_by(ca)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    soon = datetime.datetime.now(datetime.UTC) + RENEW_BEFORE
    if min(ca.not_valid_after_utc, leaf.not_valid_after_utc) < soon:
        return False
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return _general_name(host) in set(names) and _spki(key.public_key()) == _spki(leaf.public_key())


def _spki(key: CertificatePublicKeyTypes | PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "floway sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _make(files: Certificates, ca_key_file: Path, host: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("floway sandbox CA")
    usage = {
        "digital_signature": False,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    authority = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        x509.CertificateBuilder()
        .subject_name(ca_name)
        .issuer_name(ca_name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(**{**usage, "key_cert_sign": True, "crl_sign": True}), critical=True
        )
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    names += [_general_name(address) for address in ADDRESSES]
    if _general_name(host) not in names:
        names.append(_general_name(host))
    leaf = (
        x509.CertificateBuilder()
        .subject_name(_name("localhost"))
        .issuer_name(ca_name)
        .public_key(leaf_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    _write(ca_key_file, _pem(ca_key), 0o600)
    _write(files.key_file, _pem(leaf_key), 0o600)
    _write(files.leaf_file, leaf.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(files.ca_file, ca.public_bytes(serialization.Encoding.PEM), 0o644)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file in one step, so that a second starter never reads half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    partial.replace(path)
