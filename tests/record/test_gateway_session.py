"""A client that takes the proxy for its gateway: what is kept, and what it cannot reach."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import psutil
import pytest

from fingerprints.trace import Conditions, Origin, Trace
from replay.record.gateway_session import GatewaySession

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def head() -> Trace:
    return Trace(
        client="opencode",
        release="9.9.9",
        scenario="turn",
        conditions=Conditions(http="HTTP/1.1"),
        origin=Origin(tool="test", on="2026-11-21"),
    )


async def test_what_is_sent_to_it_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    async with GatewaySession(tmp_path, head()) as session:
        async with httpx.AsyncClient(timeout=20) as client:
            headers = [("X-Mixed-Case", "1"), ("Authorization", "Bearer sk-made-up-key-0000")]
            url = f"{session.url}/v1/chat/completions?x=1"
            answer = await client.post(url, json=BODY, headers=headers)
        assert answer.status_code == 200
        assert "You said: hi" in answer.json()["choices"][0]["message"]["content"]
        port = session.port
        assert session.gateway.answered == [("POST /v1/chat/completions", 200)]
    [exchange] = session.trace.exchanges
    assert (exchange.method, exchange.path) == ("POST", "/v1/chat/completions?x=1")
    assert (exchange.http_version, exchange.scheme) == ("HTTP/1.1", "http")
    assert exchange.header("host") == exchange.authority == f"127.0.0.1:{port}"
    assert ("X-Mixed-Case", "1") in exchange.headers
    assert ("Authorization", "Bearer sk-⟨secret:1⟩") in exchange.headers
    assert exchange.body is not None
    assert exchange.body.data == BODY
    assert exchange.answer is not None
    assert exchange.answer.status == 200


@pytest.mark.slow
@pytest.mark.parametrize("url", ["https://example.com/telemetry", "http://example.com/update"])
async def test_other_hosts_are_out_of_reach_and_not_kept(tmp_path: Path, url: str) -> None:
    async with GatewaySession(tmp_path, head()) as session:
        trust = ssl.create_default_context(cafile=session.environment["SSL_CERT_FILE"])
        proxy = session.environment["HTTPS_PROXY"]
        async with httpx.AsyncClient(proxy=proxy, verify=trust, timeout=20) as client:
            assert (await client.get(url)).status_code in (404, 502)
        async with httpx.AsyncClient(timeout=20) as client:
            assert (await client.get(f"{session.url}/v1/models")).status_code == 200
    assert [exchange.path for exchange in session.trace.exchanges] == ["/v1/models"]


@pytest.mark.slow
async def test_nothing_stays(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    session = GatewaySession(tmp_path, head())
    with pytest.raises(KeyError):
        await _fail_inside(session)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(session.url)
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    assert list((tmp_path / "runs").iterdir()) == []


async def _fail_inside(session: GatewaySession) -> None:
    async with session:
        raise KeyError


@pytest.mark.slow
async def test_a_client_that_sends_nothing_leaves_an_empty_trace(tmp_path: Path) -> None:
    async with GatewaySession(tmp_path, head()) as session:
        pass
    assert session.trace.exchanges == ()
