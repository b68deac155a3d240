"""Cursor's agent service, as far as the made-up gateway has it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.record.gateway import Gateway, cursor

RUN = "/agent.v1.AgentService/RunSSE"
APPEND = "/aiserver.v1.BidiService/BidiAppend"
PROTO = {"content-type": "application/proto"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        Gateway() as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=20) as client,
    ):
        yield client


def frames(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        size = int.from_bytes(data[1:5], "big")
        assert len(data) >= 5 + size, "the last frame is whole"
        found.append((data[0], data[5 : 5 + size]))
        data = data[5 + size :]
    return found


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5))
def test_frames_can_be_read_again(given_: list[tuple[int, bytes]]) -> None:
    assert frames(b"".join(cursor.frame(data, flags) for flags, data in given_)) == given_


async def test_a_key_becomes_tokens(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/auth/exchange_user_api_key", json={})).json()
    for token in (answer["accessToken"], answer["refreshToken"]):
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        assert claims["exp"] > time.time()
        assert claims["sub"]


async def test_a_run_is_answered_once_the_client_has_spoken(client: httpx.AsyncClient) -> None:
    async with client.stream("POST", RUN, content=cursor.frame(b"\x0a\x01x")) as stream:
        assert stream.status_code == 200
        pieces = stream.aiter_bytes()
        waiting = asyncio.ensure_future(anext(pieces))
        appended = await client.post(APPEND, content=b"\x0a\x00", headers=PROTO)
        assert (appended.status_code, appended.content) == (200, b"")
        data = await waiting + b"".join([piece async for piece in pieces])
    *said, end = frames(data)
    assert end == (0x02, b"{}")
    assert all(flags == 0 for flags, _ in said)
    assert cursor.ANSWER.encode() in said[0][1]
    assert said[1][1] == b"\x0a\x02\x72\x00", "turn_ended, member 14 of member 1"


async def test_a_client_that_says_nothing_is_told(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "WAIT_SECONDS", 0.05)
    answer = await client.post(RUN, content=cursor.frame(b""))
    [(flags, end)] = frames(answer.content)
    assert (flags, json.loads(end)["error"]["code"]) == (0x02, "deadline_exceeded")


@pytest.mark.parametrize(
    ("kind", "body"), [("application/proto", b""), ("application/json", b"{}")]
)
async def test_other_calls_get_an_empty_message(
    client: httpx.AsyncClient, kind: str, body: bytes
) -> None:
    path = "/aiserver.v1.DashboardService/GetUserPrivacyMode"
    answer = await client.post(path, headers={"content-type": kind})
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == kind
