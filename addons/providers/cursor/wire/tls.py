"""TLS to Cursor: verified, with the platform's authorities and, where one is set, one more.

The platform's are those of OpenSSL, so that its environment variables ``SSL_CERT_FILE`` and
``SSL_CERT_DIR`` are obeyed.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from addons.errors import FlowayError


def context(ca_file: Path | str | None = None, *, alpn: str | None = None) -> ssl.SSLContext:
    """A client's context.

    Args:
        ca_file: PEM file with further authorities (the sandbox's), beside the platform's.
        alpn: the one protocol to offer; None: whoever uses the context says it.

    Raises:
        FlowayError: the file can't be read, or holds no certificate.
    """
    made = ssl.create_default_context()
    if ca_file is not None:
        try:
            made.load_verify_locations(ca_file)
        except ssl.SSLError as error:
            raise FlowayError("the CA file holds no certificate in PEM form") from error
        except OSError as error:
            raise FlowayError(f"the CA file could not be read: {error.strerror}") from error
    if alpn is not None:
        made.set_alpn_protocols([alpn])
    return made
