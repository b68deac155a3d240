"""What clients see of every fault, over HTTP/1.1, HTTP/2 and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from replay.sandbox.presets import PRESETS

RESPONSES = "/backend-api/codex/responses"

type Connect = Callable[..., Any]


@pytest.mark.parametrize("name", sorted(PRESETS))
async def test_every_preset_is_answered_once(each: Any, name: str) -> None:
    await each.fault({"preset": name, "retry_after": 2, "headers": {"x-more": "1"}})
    refused = await each.respond(each.body())
    expected = PRESETS[name]
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["x-more"] == "1"
    if name == "cloudflare_403":
        assert refused.status_code == 403
        assert refused.headers["cf-ray"]
        assert refused.text.startswith("<!DOCTYPE html>")
    else:
        assert refused.headers["content-type"] == "application/json"
        assert refused.json()
    assert refused.status_code >= 400
    assert expected is not None
    assert (await each.respond(each.body())).status_code == 200
    first, second = await each.recorded()
    assert first["fault"]["preset"] == name
    assert first["status"] == refused.status_code
    assert second["fault"] is None


async def test_usage_limit_names_its_reset(api: Any) -> None:
    await api.fault({"preset": "usage_limit_reached", "resets_in_seconds": 90})
    refused = await api.respond(api.body())
    error = refused.json()["error"]
    assert error["resets_in_seconds"] == 90
    assert error["resets_at"] == int(refused.headers["x-codex-primary-reset-at"])
    assert refused.headers["x-codex-primary-used-percent"] == "100"


async def test_any_status_and_body(each: Any) -> None:
    await each.fault({"status": 418, "body": {"detail": "tea"}, "retry_after": 0.5})
    await each.fault({"status": 502, "body": "<html>bad gateway</html>"})
    tea, gateway = await each.respond(each.body()), await each.respond(each.body())
    assert (tea.status_code, tea.json()) == (418, {"detail": "tea"})
    assert tea.headers["retry-after"] == "0.5"
    assert (gateway.status_code, gateway.text) == (502, "<html>bad gateway</html>")
    assert gateway.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("code", ["server_is_overloaded", "usage_limit_reached"])
@pytest.mark.parametrize("at", ["before_output", "after_output"])
async def test_failure_inside_a_200(each: Any, code: str, at: str) -> None:
    await each.fault({"kind": "failure", "code": code, "at": at})
    events = await each.events(each.body("hello"))
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["error"]["code"] == code
    deltas = [event for event in events if event["type"].endswith(".delta")]
    assert len(deltas) == (0 if at == "before_output" else 1)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


async def test_reset_before_headers(each: Any) -> None:
    await each.fault({"kind": "reset", "at": "before_headers"})
    with pytest.raises(
        httpx.RemoteProtocolError if each.client.base_url.scheme == "https" else httpx.ReadError
    ):
        await each.respond(each.body())
    assert (await each.respond(each.body())).status_code == 200
    assert [entry["status"] for entry in await each.recorded()] == [None, 200]


async def test_reset_in_the_middle(each: Any) -> None:
    await each.fault({"kind": "reset", "at": 6})
    received = b""

    async def read() -> None:
        nonlocal received
        async with each.client.stream(
            "POST", RESPONSES, json=each.body(), headers=each.headers()
        ) as response:
            assert response.status_code == 200
            async for chunk in response.aiter_bytes():
                received += chunk

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await read()
    assert received.count(b"\n\n") == 6
    assert (await each.respond(each.body())).status_code == 200


async def test_clean_close_in_the_middle(each: Any) -> None:
    await each.fault({"kind": "close", "at": "after_output"})
    events = await each.events(each.body())
    assert events[-1]["type"] == "response.output_text.delta"


@pytest.mark.parametrize("at", ["before_headers", "before_output", "after_output"])
async def test_a_stall_can_be_waited_out(each: Any, at: str) -> None:
    await each.fault({"kind": "stall", "seconds": 0.05, "at": at})
    events = await each.events(each.body())
    assert events[-1]["type"] == "response.completed"


async def test_a_stall_holds_what_comes_after_it(api: Any) -> None:
    await api.fault({"kind": "stall", "seconds": 3000, "at": "before_output"})
    received = b""
    async with api.client.stream(
        "POST", RESPONSES, json=api.body(), headers=api.headers()
    ) as response:
        async for chunk in response.aiter_bytes():
            received += chunk
            if b"content_part.added" in received:
                break
    assert b"output_text.delta" not in received


async def test_drip_and_delay(each: Any) -> None:
    await each.fault({"kind": "drip", "bytes": 400, "seconds": 0.0, "delay": 0.01})
    events = await each.events(each.body())
    assert events[-1]["type"] == "response.completed"
    await each.fault({"kind": "delay", "delay": 0.01})
    assert (await each.respond(each.body())).status_code == 200


async def test_other_headers(each: Any) -> None:
    await each.fault({"kind": "headers", "drop": ["content-type"], "set": {"x-more": "1"}})
    answer = await each.respond(each.body())
    assert "content-type" not in answer.headers
    assert answer.headers["x-more"] == "1"
    assert "response.completed" in answer.text
    await each.fault({"kind": "headers", "set": {"etag": "x"}})
    models = await each.client.get("/backend-api/codex/models", headers=each.headers())
    assert models.headers["etag"] == "x"


@pytest.mark.parametrize("kind", ["reset", "close", "stall", "drip"])
async def test_bodies_of_known_length_have_faults_too(each: Any, kind: str) -> None:
    more = {"stall": {"seconds": 0.01}, "drip": {"seconds": 0.0, "bytes": 5000}}.get(kind, {})
    await each.fault({"kind": kind, **more}, match={"path": "/backend-api/codex/models"})
    ask = each.client.get("/backend-api/codex/models", headers=each.headers())
    if kind == "reset":
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await ask
        return
    answer = await ask
    assert answer.status_code == 200
    if kind == "close":
        with pytest.raises(ValueError, match=r"."):
            answer.json()
    else:
        assert answer.json()["models"]


async def test_faults_choose_their_requests(api: Any) -> None:
    await api.fault({"status": 500}, match={"account": "ben"}, times=None)
    await api.fault({"status": 501}, match={"model": "gpt-5.4"}, times=None)
    await api.fault({"status": 502}, match={"path": "/backend-api/wham/*"}, times=None)
    ben = api.sandbox.accounts[1]
    assert (await api.respond(api.body())).status_code == 200
    assert (await api.respond(api.body(), account=ben)).status_code == 500
    assert (await api.respond(api.body(model="gpt-5.4"))).status_code == 501
    usage = await api.client.get("/backend-api/wham/usage", headers=api.headers())
    assert usage.status_code == 502
    await api.client.delete("/_sandbox/faults")
    assert (await api.respond(api.body(), account=ben)).status_code == 200


async def test_refresh_faults(api: Any) -> None:
    await api.fault({"preset": "refresh_token_reused"}, match={"path": "/oauth/token"})
    body = {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "refresh_token",
        "refresh_token": api.account.refresh_token,
    }
    refused = await api.client.post("/oauth/token", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "refresh_token_reused")
    assert (await api.client.post("/oauth/token", json=body)).status_code == 200


# --- WebSocket ---

CREATE: dict[str, Any] = {
    "model": "gpt-5.5",
    "input": [{"type": "message", "role": "user", "content": "hi"}],
    "store": False,
    "stream": True,
}


async def test_refused_upgrades(connect: Connect, api: Any) -> None:
    await api.fault({"kind": "refuse_upgrade"})
    await api.fault({"preset": "usage_limit_reached"}, match={"transport": "upgrade"})
    first, second, third = await connect(), await connect(), await connect()
    assert [first.status, second.status, third.status] == [426, 429, 101]
    assert b"usage_limit_reached" in second.refusal
    assert [entry["status"] for entry in await api.recorded()] == [426, 429, 101]


async def test_upgrades_are_matched_by_the_model_of_the_hint(connect: Connect, api: Any) -> None:
    await api.fault({"status": 503}, match={"model": "gpt-6-sol", "transport": "upgrade"})
    token = api.sandbox.accounts.access_token(api.account)
    headers = {"authorization": f"Bearer {token}"}
    plain = await connect(headers=headers)
    hinted = await connect(
        headers={**headers, "x-codex-routing-hint": "model=gpt-6-sol;tier=priority"}
    )
    assert (plain.status, hinted.status) == (101, 503)


async def test_reset_of_an_upgrade(connect: Connect, api: Any) -> None:
    await api.fault({"kind": "reset", "at": "before_headers"}, match={"transport": "upgrade"})
    with pytest.raises(ConnectionError):
        await connect()
    assert (await connect()).status == 101


async def test_errors_on_an_open_socket_are_frames(connect: Connect, api: Any) -> None:
    socket = await connect()
    await api.fault(
        {"preset": "usage_limit_reached", "resets_in_seconds": 60}, match={"transport": "frame"}
    )
    [frame] = await socket.ask(**CREATE)
    assert (frame["status"], frame["error"]["type"]) == (429, "usage_limit_reached")
    assert frame["headers"]["x-codex-primary-used-percent"] == "100"
    await api.fault({"status": 500}, match={"transport": "websocket"})
    [frame] = await socket.ask(**CREATE)
    assert frame["status"] == 500
    assert (await socket.ask(**CREATE))[-1]["type"] == "response.completed"


@pytest.mark.parametrize("status", [None, 429])
async def test_error_frames_with_and_without_a_status(
    connect: Connect, api: Any, status: int | None
) -> None:
    socket = await connect()
    await api.fault({"kind": "error_frame", "status": status, "code": "x", "headers": {"a": "b"}})
    frames = await socket.ask(**CREATE)
    error = frames[-1]
    assert error.get("status") == status
    assert ("status" in error) is (status is not None)
    assert (error["error"]["code"], error["headers"]) == ("x", {"a": "b"})


@pytest.mark.parametrize("code", [1011, 1012, 4000])
async def test_close_codes(connect: Connect, api: Any, code: int) -> None:
    socket = await connect()
    await api.fault({"kind": "close_socket", "code": code, "at": "after_output"})
    frames = await socket.ask(**CREATE)
    assert socket.close_code == code
    assert frames[-1]["type"] == "response.output_text.delta"


async def test_failure_close_drip_and_stall_on_a_socket(connect: Connect, api: Any) -> None:
    socket = await connect()
    await api.fault({"kind": "failure", "code": "rate_limit_exceeded", "at": "after_output"})
    frames = await socket.ask(**CREATE)
    assert frames[-1]["response"]["error"]["code"] == "rate_limit_exceeded"
    await api.fault({"kind": "drip", "seconds": 0.0})
    assert (await socket.ask(**CREATE))[-1]["type"] == "response.completed"
    await api.fault({"kind": "stall", "seconds": 0.01, "at": "before_output"})
    assert (await socket.ask(**CREATE))[-1]["type"] == "response.completed"
    await api.fault({"kind": "close", "at": 1})
    frames = await socket.ask(**CREATE)
    assert frames[-1]["type"] == "response.created"
    assert socket.close_code == 1000


async def test_reset_of_an_open_socket(connect: Connect, api: Any) -> None:
    socket = await connect()
    await api.fault({"kind": "reset", "at": 4})
    await socket.send({"type": "response.create", **CREATE})
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(5):
            await socket.frames()
