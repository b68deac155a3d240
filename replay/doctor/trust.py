"""mitmproxy's certificate authority: what clients must trust that use floway as their proxy."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from replay.doctor.finding import Finding, fault, note, ok, warning

CHECK: Final = "certificate"

READERS: Final[Mapping[str, str]] = {
    "CODEX_CA_CERTIFICATE": "Codex CLI",
    "NODE_EXTRA_CA_CERTS": "OpenCode, Claude Code",
    "SSL_CERT_FILE": "Python's httpx, curl",
    "REQUESTS_CA_BUNDLE": "Python's requests",
}
"""Variables by which clients are told of an authority, and who reads them."""

_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_SOON: Final = 14
"""Days before its end at which it is said."""


def authority(file: Path, environment: Mapping[str, str], now: datetime | None = None) -> Finding:
    """
    Args:
        file: the certificate that clients are given.
    """
    now = now or datetime.now(UTC)
    if not file.exists():
        return note(CHECK, f"none yet: mitmproxy makes {file} at its first start")
    try:
        content = file.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError) as error:
        return fault(
            CHECK,
            f"{file} can't be read ({type(error).__name__})",
            f"remove the files in {file.parent}; mitmproxy makes new ones, to be trusted anew",
        )
    left = (certificate.not_valid_after_utc - now).days
    if left < 0:
        return fault(
            CHECK,
            f"{file} ended {-left} days ago",
            f"remove the files in {file.parent}; mitmproxy makes new ones, to be trusted anew",
        )
    if left < _SOON:
        return warning(
            CHECK, f"{file} ends in {left} days", f"remove {file.parent}, and trust the new one"
        )
    der = certificate.public_bytes(Encoding.DER)
    trusting = [
        f"{reader} ({variable})"
        for variable, reader in READERS.items()
        if der in _certificates(environment.get(variable, ""))
    ]
    if der in ssl.create_default_context().get_ca_certs(binary_form=True):
        trusting.append("this system")
    if trusting:
        return ok(CHECK, f"trusted by {', '.join(trusting)}")
    return note(
        CHECK,
        "no client trusts it here; only clients that use floway as their proxy need to",
        f"for such a client: export CODEX_CA_CERTIFICATE={file} (or NODE_EXTRA_CA_CERTS)",
    )


def _certificates(path: str) -> list[bytes]:
    """The certificates of a bundle, as DER; not looked into, since old ones are odd."""
    if not path:
        return []
    try:
        text = Path(path).read_text("ascii", "replace")
        return [ssl.PEM_cert_to_DER_cert(block) for block in _BLOCK.findall(text)]
    except (OSError, ValueError):
        return []
