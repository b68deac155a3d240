"""What can go wrong between floway and Cursor, as one tree of types. Pure.

Two branches: :class:`ConnectError`, Cursor's own "no", and :class:`TransportError`, no answer or
none that can be read. What an error means for the account is :mod:`.classification`'s matter.
No text here holds a secret or names an account.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from addons.errors import ClientError, FlowayError
from addons.providers.cursor.failures.error_details import (
    ErrorDetail,
    first_named,
    parse,
    private_free,
)

HTTP_OF_CODE: Final[Mapping[str, int]] = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}
"""Connect codes and the HTTP status that the protocol gives each (cursor-protocol.md §2.3)."""

CODE_OF_HTTP: Final[Mapping[int, str]] = {
    400: "internal",
    401: "unauthenticated",
    403: "permission_denied",
    404: "unimplemented",
    429: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
"""The other way, for an answer that has no Connect error in it (ibid.)."""


class CursorError(FlowayError):
    """Base of all errors of this provider.

    Attributes:
        status: HTTP status that a client is told, where nothing better is known.
        word: machine-readable word for it.
        unprocessed: the upstream surely did nothing with the request, so that sending it again
            can't do anything twice.
    """

    status: int = 502
    word: str = "upstream_error"
    unprocessed: bool = False

    def client_error(self) -> ClientError:
        """The error in neutral form; :func:`.classification.client_error` knows more."""
        return ClientError(self.status, self.word, str(self))


# --- Cursor says no ------------------------------------------------------------------------------


class ConnectError(CursorError):
    """An error that Cursor gave: at the end of a stream, as a unary answer, or as a status.

    Args:
        code: one of :data:`HTTP_OF_CODE`; any other word is kept as it is.
        message: Cursor's text, often just "Error"; private parts are taken out.
        details: the decoded entries.
        http_status: of the answer, where it was not 200.
        metadata: trailers, by lower-case name.

    Attributes:
        inference_error: the answer's ``x-cursor-inference-request-error-type``; for the log.
    """

    word = "upstream_error"

    def __init__(
        self,
        code: str,
        message: str = "",
        details: Sequence[ErrorDetail] = (),
        *,
        http_status: int | None = None,
        metadata: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.code = code
        self.message = private_free(message)
        self.details = tuple(details)
        self.http_status = http_status
        self.metadata: Mapping[str, Sequence[str]] = metadata or {}
        self.inference_error = ""
        self.status = HTTP_OF_CODE.get(code, 502)
        super().__init__(f"{code}: {self.text}" if self.text else code)

    @classmethod
    def parse(
        cls,
        error: object,
        *,
        http_status: int | None = None,
        metadata: Mapping[str, Sequence[str]] | None = None,
    ) -> ConnectError:
        """From the JSON object ``{"code", "message", "details"}``; whatever else it is, an error.

        Without a code, that of the HTTP status, else ``unknown``.
        """
        members = error if isinstance(error, dict) else {}
        code = members.get("code")
        if not isinstance(code, str) or not code:
            code = CODE_OF_HTTP.get(http_status or 0, "unknown")
        message = members.get("message")
        return cls(
            code[:64],
            message if isinstance(message, str) else "",
            parse(members.get("details")),
            http_status=http_status,
            metadata=metadata,
        )

    @property
    def detail(self) -> ErrorDetail | None:
        """The entry of the details that says most."""
        return first_named(self.details)

    @property
    def text(self) -> str:
        """What a person should read: of the details where there is one, else the message."""
        detail = self.detail
        return (detail.text if detail is not None else "") or self.message


# --- no answer, or none that can be read ---------------------------------------------------------


class TransportError(CursorError):
    """The connection's trouble, or that of the stream on it."""

    word = "upstream_unreachable"


class ConnectFailed(TransportError):
    """No connection: name, route, refusal, TLS."""

    unprocessed = True


class NoHttp2(ConnectFailed):
    """The host does not speak HTTP/2; ``RunSSE`` may do."""


class StreamReset(TransportError):
    """The server broke one stream off (RST_STREAM).

    Attributes:
        error_code: HTTP/2 error code.
    """

    REFUSED: ClassVar[int] = 7

    def __init__(self, error_code: int) -> None:
        super().__init__(f"The upstream reset the stream (RST_STREAM code {_named(error_code)}).")
        self.error_code = error_code
        self.unprocessed = error_code == self.REFUSED


class Goaway(TransportError):
    """The server takes the connection down (GOAWAY).

    Attributes:
        error_code: HTTP/2 error code; 0: in an orderly way.
        text: the server's debugging text.
    """

    def __init__(self, error_code: int, text: str = "", *, unprocessed: bool = False) -> None:
        self.text = private_free(text)
        said = f": {self.text}" if self.text else ""
        super().__init__(
            f"The upstream closed the connection (GOAWAY code {_named(error_code)}){said}."
        )
        self.error_code = error_code
        self.unprocessed = unprocessed


class ConnectionLost(TransportError):
    """The connection ended below HTTP/2."""


class Cut(TransportError):
    """The answer ended without the message that ends every answer."""

    def __init__(self, where: str = "") -> None:
        place = f" {where}" if where else ""
        super().__init__(f"The upstream's answer was cut off{place}.")


class BrokenStream(TransportError):
    """The bytes are not what the protocol allows."""

    word = "upstream_protocol_error"

    def __init__(self, problem: str) -> None:
        super().__init__(f"The upstream broke the protocol: {problem}.")


class FrameTooLarge(BrokenStream):
    """One message is larger than the limit."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a message of {size} bytes or more, {limit} are allowed")
        self.size = size
        self.limit = limit


class UpstreamTimeout(TransportError):
    """Something took too long.

    Attributes:
        seconds: the limit.
    """

    status = 504
    word = "upstream_timeout"

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"The upstream {what} within {seconds:g} seconds.")
        self.seconds = seconds


class ConnectTimeout(UpstreamTimeout):
    """No connection in time."""

    unprocessed = True

    def __init__(self, seconds: float) -> None:
        super().__init__("could not be connected to", seconds)


class SendTimeout(UpstreamTimeout):
    """The server took no bytes: it opens no window, or the network is stuck."""

    def __init__(self, seconds: float) -> None:
        super().__init__("took no data", seconds)


class PingTimeout(UpstreamTimeout):
    """Nothing came back, not even the answer to a PING: the connection is dead."""

    def __init__(self, seconds: float) -> None:
        super().__init__("did not answer a PING", seconds)


class FirstFrameTimeout(UpstreamTimeout):
    """A run was begun, and not one message came."""

    word = "upstream_first_message_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__("sent no first message", seconds)


class Silence(UpstreamTimeout):
    """A run was going on, and nothing that matters came any more."""

    word = "upstream_silent"

    def __init__(self, seconds: float) -> None:
        super().__init__("sent nothing", seconds)


class StuckExec(UpstreamTimeout):
    """The server waits for the answer to a request of its own and says nothing else.

    Attributes:
        kind: what it had asked for, as ``shell_args``.
    """

    word = "upstream_stuck"

    def __init__(self, kind: str, seconds: float) -> None:
        super().__init__(f"did not go on after {kind!r} was answered,", seconds)
        self.kind = kind


_HTTP2_CODES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


def _named(code: int) -> str:
    name = _HTTP2_CODES[code] if 0 <= code < len(_HTTP2_CODES) else "unknown"
    return f"{code}, {name}"


def problem(error: OSError) -> str:
    """What an OSError is about, without the address that it repeats."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'reason', None) or 'failed'}"
    if isinstance(error, socket.gaierror):
        return "its name could not be resolved"
    return os.strerror(error.errno) if error.errno else type(error).__name__
