from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from addons.errors import FlowayError
from addons.providers.cursor.failures import errors
from addons.providers.cursor.proto.aiserver_pb2 import (
    AvailableModelsRequest,
    GetServerConfigResponse,
)
from addons.providers.cursor.wire import tls
from addons.providers.cursor.wire.connect import END_STREAM, frame
from addons.providers.cursor.wire.endpoint import Endpoint
from addons.providers.cursor.wire.http_clients import HttpClients
from addons.providers.cursor.wire.unary import LIMIT, SERVER_CONFIG, Unary
from replay.sandbox.certificates import ensure_certificates

BACKEND = Endpoint.parse("https://backend.test/base")
HEADERS = [("authorization", "Bearer t"), ("content-type", "application/proto")]
CONFIG = GetServerConfigResponse(config_version="7")


class Faked(HttpClients):
    """Clients whose answers come from a function."""

    def __init__(self, answer: Callable[[httpx.Request], Any]) -> None:
        super().__init__()
        self.transport = httpx.MockTransport(answer)
        self.lanes: list[str] = []

    def client(self, lane: str) -> httpx.AsyncClient:
        self.lanes.append(lane)
        return httpx.AsyncClient(transport=self.transport)


async def call(
    answer: Callable[[httpx.Request], Any], seconds: float = 5
) -> GetServerConfigResponse:
    return await Unary(Faked(answer), timeout=seconds).call(
        BACKEND, SERVER_CONFIG, GetServerConfigResponse, headers=HEADERS, lane="a"
    )


async def test_the_request_has_these_headers_and_a_bare_message() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=CONFIG.SerializeToString())

    clients = Faked(answer)
    reply = await Unary(clients).call(
        BACKEND,
        SERVER_CONFIG,
        GetServerConfigResponse,
        headers=HEADERS,
        lane="a",
        message=AvailableModelsRequest(is_nightly=True),
    )
    assert reply == CONFIG
    assert clients.lanes == ["a"]
    (request,) = seen
    assert str(request.url) == f"https://backend.test/base{SERVER_CONFIG}"
    assert request.content == b"\x08\x01"
    assert {name for name, _ in request.headers.items()} == {
        "host",
        "authorization",
        "content-type",
        "content-length",
    }
    assert request.extensions["timeout"]["read"]


@pytest.mark.parametrize(
    "body",
    [
        frame(CONFIG.SerializeToString()),
        frame(CONFIG.SerializeToString()) + frame(b"{}", END_STREAM),
        frame(gzip.compress(CONFIG.SerializeToString(), mtime=0), 1),
    ],
)
async def test_a_framed_answer_is_taken_too(body: bytes) -> None:
    assert await call(lambda _: httpx.Response(200, content=body)) == CONFIG


async def test_a_compressed_answer() -> None:
    body = gzip.compress(CONFIG.SerializeToString(), mtime=0)
    headers = {"content-encoding": "gzip"}
    assert await call(lambda _: httpx.Response(200, content=body, headers=headers)) == CONFIG


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (httpx.Response(401, json={"code": "unauthenticated"}), errors.ConnectError, "unauth"),
        (httpx.Response(404, text="nothing"), errors.ConnectError, "unimplemented"),
        (httpx.Response(301, headers={"location": "/x"}), errors.ConnectError, "unknown"),
        (httpx.Response(200, content=b"\x3a"), errors.BrokenStream, "GetServerConfigResponse"),
        (httpx.Response(200, content=b"\x00\x00"), errors.BrokenStream, "middle"),
        (
            httpx.Response(200, content=frame(b"") + frame(b"")),
            errors.BrokenStream,
            "2 messages",
        ),
        (
            httpx.Response(200, content=frame(b'{"error":{"code":"internal"}}', END_STREAM)),
            errors.ConnectError,
            "internal",
        ),
        (httpx.Response(200, content=b"x" * (LIMIT + 1)), errors.FrameTooLarge, "bytes"),
    ],
)
async def test_refusals(answer: httpx.Response, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        await call(lambda _: answer)


async def test_a_connection_that_was_closed_meanwhile_is_tried_once_more() -> None:
    tried = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise httpx.RemoteProtocolError("Server disconnected")
        return httpx.Response(200, content=CONFIG.SerializeToString())

    assert await call(answer) == CONFIG
    assert tried == 2


async def test_one_that_breaks_again_is_an_error() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("")

    with pytest.raises(errors.ConnectionLost):
        await call(answer)


async def test_a_call_is_bounded_in_time() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(errors.Silence):
        await call(answer, seconds=0.02)


async def test_json() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "application/json"
        return httpx.Response(200, json={"got": request.content.decode()})

    unary = Unary(Faked(answer))
    reply = await unary.call_json(BACKEND, "/x", headers=HEADERS, lane="a", body={"a": True})
    assert reply == {"got": '{"a":true}'}


@pytest.mark.parametrize("body", [b"[1]", b"nope", b""])
async def test_json_that_is_none(body: bytes) -> None:
    unary = Unary(Faked(lambda _: httpx.Response(200, content=body)))
    with pytest.raises(errors.BrokenStream, match="JSON"):
        await unary.call_json(BACKEND, "/x", headers=HEADERS, lane="a", body={})


# --- clients -------------------------------------------------------------------------------------


async def test_accounts_have_clients_of_their_own_and_their_number_is_bounded() -> None:
    clients = HttpClients(lanes=2)
    first, second = clients.client("a"), clients.client("b")
    assert first is not second
    assert clients.client("a") is first
    clients.client("c")
    assert clients.client("a") is first  # "b" was used longest ago
    await clients.close()
    assert second.is_closed
    assert first.is_closed


def test_a_ca_file_is_trusted_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (ensure_certificates(tmp_path / name).ca_file for name in "ab")
    monkeypatch.setenv("SSL_CERT_FILE", str(first))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert len(tls.context().get_ca_certs()) == 1
    assert len(tls.context(second).get_ca_certs()) == 2


def test_a_ca_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(FlowayError, match="could not be read"):
        tls.context(tmp_path / "gone.pem")
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(FlowayError, match="no certificate"):
        tls.context(tmp_path / "text.pem")
    assert tls.context().verify_mode.name == "CERT_REQUIRED"
    assert tls.context().check_hostname
