"""The client's half of ``stream.py``: what is taken from a client, and how much of it.

mitmproxy has no limit for the head of an HTTP/1 request, and answers a body over its own limit in
its own words. (The head of an HTTP/2 request is limited by its library.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    Http1Server,
    HttpEvent,
    HTTPMode,
    HttpStream,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    SendHttp,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from addons.driver import Driver, driver_of, mark_origin_form

HEAD_BYTES = 256 * 1024
"""Limit of an HTTP/1 request head."""

DISCARD_BYTES = 16 * HEAD_BYTES
"""What is read and thrown away of an endless head, so that the client comes to read its answer."""

type Commands = layer.CommandGenerator[None]
type ReadHeaders = Callable[[Http1Server, events.ConnectionEvent], Commands]


class IntakeStream(HttpStream):
    """An HTTP exchange whose driver limits the request's body."""

    client_method = ""
    """Method of the client's request; ``flow.request`` may be another one by now."""

    driver: Driver | None = None
    """Who decides about the flow, from the end of its ``requestheaders`` on."""

    @property
    def client_http2(self) -> bool:
        return self.context.client.alpn == b"h2"

    def state_wait_for_request_headers(self, event: HttpEvent) -> Commands:
        # Only here can a base-URL request be told from a forward-proxied one: mitmproxy then
        # takes the destination from the Host header and forgets that there was none.
        assert isinstance(event, RequestHeaders)
        origin_form = self.mode is HTTPMode.regular and not event.request.host
        self.client_method = event.request.method
        generator = super().state_wait_for_request_headers(event)
        reply = None
        while True:
            try:
                command = generator.send(reply)
            except StopIteration:
                return
            is_hook = isinstance(command, HttpRequestHeadersHook)
            if is_hook and origin_form:
                mark_origin_form(self.flow)
            reply = yield command
            if not is_hook:
                continue
            self.driver = driver_of(self.flow)
            if (yield from self._announces_too_much()):
                return

    def _announces_too_much(self) -> layer.CommandGenerator[bool]:
        """Refuse a body by its content-length, before the client is told to continue."""
        driver = self.driver
        announced = self.flow.request.headers.get("content-length", "")
        if driver is None or not announced.isdecimal():
            return False
        if int(announced) <= driver.max_request_bytes:
            return False
        yield from self._refuse_body(driver)
        return True

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        driver = self.driver
        if not request or driver is None:
            return (yield from super().check_body_size(request))
        if len(self.request_body_buf) <= driver.max_request_bytes:
            return False
        yield from self._refuse_body(driver)
        return True

    def _refuse_body(self, driver: Driver) -> Commands:
        driver.refuse_body()
        response, client = self.flow.response, self.context.client
        assert response
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        if not self.client_http2:
            # The rest of the body is read and thrown away; then the connection ends.
            response.headers["connection"] = "close"
        yield HttpResponseHeadersHook(self.flow)
        yield HttpResponseHook(self.flow)
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=False), client)
        if response.raw_content:
            yield SendHttp(ResponseData(self.stream_id, response.raw_content), client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)
        if not self.client_http2:
            yield commands.CloseTcpConnection(client, half_close=True)
        yield DropStream(self.stream_id)


def bounded(read_headers: ReadHeaders, oversized_head: bytes) -> ReadHeaders:
    """``Http1Server.read_headers`` with a limit of :data:`HEAD_BYTES`.

    ``oversized_head``: raw answer to a client whose header section does not end within it.
    """

    def read_bounded_headers(self: Http1Server, event: events.ConnectionEvent) -> Commands:
        yield from read_headers(self, event)
        if self.state == self.read_headers and len(self.buf) > HEAD_BYTES:
            yield commands.SendData(self.conn, oversized_head)
            yield commands.CloseTcpConnection(self.conn, half_close=True)
            self.state = partial(_discard, self, [0])

    return read_bounded_headers


def _discard(side: Http1Server, size: list[int], event: events.Event) -> Commands:
    """Read on for a while: closed with unread bytes, TCP would throw away our answer as well."""
    size[0] += len(side.buf)
    side.buf.maybe_extract_at_most(len(side.buf))
    if size[0] > DISCARD_BYTES or isinstance(event, events.ConnectionClosed):
        yield commands.CloseConnection(side.conn)
