"""A proxy and a sandbox around a client: what reaches the trace, and that nothing stays."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from fingerprints.trace import Conditions, Origin, Trace
from replay.record.errors import RecordError
from replay.record.processes import at_home
from replay.record.session import Session, _scratch

RESPONSES = "https://chatgpt.com/backend-api/codex/responses"


def head(**conditions: Any) -> Trace:
    return Trace(
        client="codex",
        release="9.9.9",
        scenario="turn",
        conditions=Conditions(sign_in="chatgpt", **conditions),
        origin=Origin(tool="test", on="2026-11-21", run=2),
    )


def client(session: Session, *, http2: bool = True) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=session.environment["SSL_CERT_FILE"])
    proxy = session.environment["HTTPS_PROXY"]
    return httpx.AsyncClient(proxy=proxy, verify=context, http2=http2, timeout=20)


def token(session: Session) -> str:
    return session.sandbox.accounts.access_token(session.sandbox.accounts[0])


def mine() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


async def test_what_a_client_sends_is_in_the_trace_and_nothing_else_stays(tmp_path: Path) -> None:
    before = mine()
    async with Session(tmp_path, head()) as session, client(session) as http:
        message = {"type": "message", "role": "user", "content": "hello"}
        body = {"model": "of-any-name", "input": [message], "store": False, "stream": True}
        headers = {"authorization": f"Bearer {token(session)}", "version": "9.9.9"}
        said = await http.post(RESPONSES, json=body, headers=headers)
        elsewhere = await http.get("https://elsewhere.example.com/a?b=c")
        plain = await http.get("http://plain.example.com/x")
        assert session.home.is_dir()
        assert at_home(session.home) == []
    assert (said.status_code, elsewhere.status_code, plain.status_code) == (200, 404, 404)
    trace = session.trace
    assert (trace.release, trace.origin.run) == ("9.9.9", 2)
    first, second, third = trace.exchanges
    assert (first.authority, first.method) == ("chatgpt.com", "POST")
    assert first.header("version") == "9.9.9"
    assert first.header("authorization") == "Bearer ⟨jwt:1⟩"
    assert first.body is not None
    assert first.body.data["model"] == "of-any-name"
    assert first.answer is not None
    assert first.answer.events[-1].event == "response.completed"
    assert (second.authority, second.path) == ("elsewhere.example.com", "/a?b=c")
    assert (third.scheme, third.authority) == ("http", "plain.example.com")
    assert token(session) not in trace.model_dump_json()
    assert mine() == before
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
async def test_upgrades_are_refused_where_http_is_recorded(tmp_path: Path) -> None:
    upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
    session = Session(tmp_path, head(transport="http"))
    async with session, client(session, http2=False) as http:
        headers = {
            **upgrade,
            "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "authorization": f"Bearer {token(session)}",
        }
        refused = await http.get(RESPONSES, headers=headers)
    assert refused.status_code == 426
    assert session.trace.exchanges[0].is_upgrade


@pytest.mark.slow
@pytest.mark.parametrize(("http", "alpn"), [("HTTP/1.1", "http/1.1"), ("HTTP/2.0", "h2")])
async def test_http_2_is_offered_as_the_conditions_say(
    tmp_path: Path, http: str, alpn: str
) -> None:
    async with Session(tmp_path, head(http=http)) as session:
        context = ssl.create_default_context(cafile=session.environment["SSL_CERT_FILE"])
        context.set_alpn_protocols(["h2", "http/1.1"])
        reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
        writer.write(b"CONNECT chatgpt.com:443 HTTP/1.1\r\nhost: chatgpt.com:443\r\n\r\n")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(context, server_hostname="chatgpt.com")
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        writer.close()
    assert chosen == alpn


@pytest.mark.slow
async def test_a_failure_inside_leaves_nothing(tmp_path: Path) -> None:
    before = mine()
    session = Session(tmp_path, head())

    async def fail() -> None:
        async with session:
            assert mine() > before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert mine() == before
    assert list((tmp_path / "runs").iterdir()) == []
    with pytest.raises(RecordError, match="wrote no trace"):
        _ = session.trace


@pytest.mark.slow
async def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    before = mine()
    inside = asyncio.Event()

    async def work() -> None:
        async with Session(tmp_path, head()):
            inside.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert mine() == before
    assert list((tmp_path / "runs").iterdir()) == []


async def test_a_proxy_that_does_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.record.session._MITMDUMP", "raise SystemExit('no proxy today')")
    with pytest.raises(RecordError, match="ended at once") as caught:
        async with Session(tmp_path, head()):
            raise AssertionError("it cannot have started")
    assert "no proxy today" in caught.value.output


async def test_a_cache_in_a_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(RecordError, match="FLOWAY_CACHE"):
        async with Session(tmp_path / "cache", head()):
            raise AssertionError("it cannot have started")


@pytest.mark.slow
async def test_the_environment_holds_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path))
    async with Session(tmp_path, head()) as session:
        kept = {name for name in session.environment if os.environ.get(name)}
        assert "sk-mine" not in session.environment.values()
        assert session.environment["HOME"] == str(session.home)
    assert not kept & {"OPENAI_API_KEY", "FLOWAY_HOME"}


def test_what_a_killed_recorder_left_is_removed_and_nothing_younger(tmp_path: Path) -> None:
    for name, age in (("old", 2 * 86400), ("young", 600)):
        folder = tmp_path / "runs" / name
        (folder / "home").mkdir(parents=True)
        then = time.time() - age
        os.utime(folder, (then, then))
    with _scratch(tmp_path) as folder:
        assert sorted(each.name for each in folder.parent.iterdir()) == sorted(
            ["young", folder.name]
        )
    assert [each.name for each in (tmp_path / "runs").iterdir()] == ["young"]
