"""A committed upstream answer on its way to the client: its head, its body, how it ended.

What the client sees is decided by what it asked for and by its route: a stream is relayed, a whole
answer is put together, another endpoint's answer is passed as it is, an error is translated where
the client does not know the upstream's own form. Nothing in here raises: what cannot be delivered
becomes an error in the client's protocol.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from mitmproxy import http

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.bodies import IncrementalDecoder
from addons.providers.contract import Outcome
from addons.relay import Collector, EventRelay

logger = logging.getLogger(__name__)

OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-connection", b"te", b"trailer"}
    | {b"transfer-encoding", b"upgrade", b"alt-svc"}
)
"""Headers of the upstream's connection that mean nothing on the client's."""

OF_THE_ACCOUNT = frozenset({b"set-cookie", b"set-cookie2", b"clear-site-data"})
"""What the upstream wants its visitor to keep: that is the account, not the client."""

NOT_FOR_CLIENTS = OF_ONE_CONNECTION | OF_THE_ACCOUNT

REQUEST_ID = "x-request-id"
"""Kept on translated errors: it names the request in the upstream's support."""

EMPTY = frozenset({204, 205, 304})
"""Statuses of answers that have no body (RFC 9110 §6.4.1), and so no framing."""


class Delivery:
    """Gives the answer of one exchange.

    Attributes:
        extensions: ``sec-websocket-extensions`` as agreed with the client, and with the upstream.
        cut: why the upstream's answer broke off after commit; empty when it did not.
    """

    def __init__(self, exchange: Exchange, client: http.Request) -> None:
        self.extensions = ("", "")
        self.cut = ""
        self._exchange = exchange
        self._http2 = client.is_http2
        self._headers_only = client.method == "HEAD"
        self._relay: EventRelay | None = None
        self._collector: Collector | None = None
        self._failure: ClientError | None = None

    # --- the head ----------------------------------------------------------------------------

    def prepare(self, response: http.Response) -> None:
        """Make an answer's head the client's own, and say how its body goes on."""
        try:
            if response.status_code == 101:
                self._agree_extensions(response)
                self._strip(response, OF_THE_ACCOUNT)
            else:
                self._strip(response, NOT_FOR_CLIENTS)
                self._choose_way(response)
        except ClientError as error:
            self._give_up(response, error)
        except Exception:
            logger.exception("an answer could not be prepared")
            self._give_up(response, _broken())

    def pass_on(self, response: http.Response, body: bytes) -> None:
        """Make a refused answer, whose body (as it came) is known, the client's as it is."""
        self._strip(response, NOT_FOR_CLIENTS)
        response.raw_content = body
        response.headers["content-length"] = str(len(body))
        response.stream = False

    def _choose_way(self, response: http.Response) -> None:
        exchange = self._exchange
        if response.status_code >= 400:
            return  # collected: its body decides
        if exchange.turn is None:
            response.stream = True if exchange.watch is None else seen(exchange.watch.server)
            self._chunk(response)
        elif exchange.turn.stream:
            encoding = response.headers.pop("content-encoding", "")
            self._relay = EventRelay(exchange, encoding)
            response.stream = self._relay
            response.headers.pop("content-length", None)
            assert exchange.renderer is not None
            response.headers["content-type"] = exchange.renderer.content_type
            self._chunk(response)
        else:
            self._collector = Collector(exchange)

    def _strip(self, response: http.Response, names: frozenset[bytes]) -> None:
        listed = response.headers.get("connection", "") if b"connection" in names else ""
        gone = names
        if hidden := self._exchange.hidden_headers:
            gone |= {name.encode() for name in hidden}
        if listed:
            gone |= {
                word.strip().lower().encode("utf-8", "surrogateescape")
                for word in listed.split(",")
            }
        response.headers.fields = tuple(
            pair for pair in response.headers.fields if pair[0].lower() not in gone
        )

    def _chunk(self, response: http.Response) -> None:
        """Without a length an HTTP/1 client takes a cut upstream for a good end (trap 4)."""
        if self._http2 or self._headers_only or response.status_code in EMPTY:
            return
        if "content-length" not in response.headers:
            response.headers["transfer-encoding"] = "chunked"

    def _agree_extensions(self, response: http.Response) -> None:
        accepted = response.headers.get("sec-websocket-extensions", "")
        offer = self._exchange.header("sec-websocket-extensions") or ""
        response.headers.pop("sec-websocket-extensions", None)
        both = "permessage-deflate" in offer and "permessage-deflate" in accepted
        agreed = "permessage-deflate" if both else ""
        if agreed:
            response.headers["sec-websocket-extensions"] = agreed
        self.extensions = (agreed, accepted)

    def _give_up(self, response: http.Response, error: ClientError) -> None:
        """The client has seen nothing yet: the answer is read to its end, and replaced."""
        self._failure = error
        self._relay = self._collector = None
        response.stream = False

    # --- the body ----------------------------------------------------------------------------

    def collect(self, response: http.Response) -> ClientError | None:
        """A whole upstream answer, changed in place; or the error to be given in its stead."""
        if self._failure is not None:
            return self._failure
        try:
            if response.status_code >= 400:
                return self.explain(
                    response.status_code, response.headers, response.raw_content or b""
                )
            if self._collector is not None:
                self._put_together(response, self._collector)
        except ClientError as error:
            return error
        except Exception:
            logger.exception("an answer could not be given")
            return _broken()
        return None

    def _put_together(self, response: http.Response, collector: Collector) -> None:
        encoding = response.headers.pop("content-encoding", "")
        response.raw_content = collector.answer(
            _decoded(encoding, response.raw_content or b"", cut=False)
        )
        response.headers["content-type"] = "application/json"
        response.headers["content-length"] = str(len(response.raw_content))

    def explain(self, status: int, headers: http.Headers, body: bytes) -> ClientError | None:
        """An upstream's own error for the client; None where it is given as it is.

        ``body``: as it came, cut off perhaps.
        """
        try:
            content = _decoded(headers.get("content-encoding", ""), body, cut=True)
        except ClientError:
            content = b""  # the status must do
        exchange = self._exchange
        return exchange.provider.explain(exchange, status, headers.fields, content)

    def cut_short(self, message: str) -> bytes:
        """The upstream broke off in mid-stream: the client's protocol says so where it can."""
        self.cut = message
        if self._relay is None:
            return b""
        return self._relay.fail(
            ClientError(502, "upstream_truncated", f"The upstream broke off: {message}")
        )

    # --- the end -----------------------------------------------------------------------------

    def outcome(self, response: http.Response | None) -> Outcome:
        """How the exchange ended, when its response is over."""
        if self._exchange.given is not None:
            return self._exchange.given
        if self._relay is not None:
            return self._relay.outcome or Outcome.TRUNCATED
        if self.cut:
            return Outcome.TRUNCATED
        if self._collector is not None and self._collector.outcome is not None:
            return self._collector.outcome
        failed = response is None or response.status_code >= 400
        return Outcome.FAILED if failed else Outcome.COMPLETED

    def early_outcome(self) -> Outcome:
        """How it ended, when the response is not: a client often leaves behind the last event."""
        seen = self._relay.outcome if self._relay is not None else self._exchange.given
        if seen is not None:
            return seen
        return Outcome.TRUNCATED if self.cut else Outcome.CLIENT_LEFT


def seen(look: Callable[[bytes], None]) -> Callable[[bytes], bytes]:
    """For ``stream`` of a request or response: the bytes as they are, after a look at them."""

    def passed(data: bytes) -> bytes:
        look(data)
        return data

    return passed


def _decoded(encoding: str, body: bytes, *, cut: bool) -> bytes:
    """
    Raises:
        ClientError: 502 ``upstream_encoding``; with ``cut`` not for a body that only ends early.
    """
    if not encoding:
        return body
    decoder = IncrementalDecoder(encoding)
    content = decoder.feed(body)
    if not cut:
        decoder.close()
    return content


def _broken() -> ClientError:
    return ClientError(
        502, "relay_failed", "floway could not pass the upstream's answer on; its log says why."
    )
