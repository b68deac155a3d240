"""The page to which a browser login comes back."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.accounts.callback import Callback, callback
from addons.accounts.errors import AccountError


async def call(port: int, target: str, method: str = "GET") -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {target} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


async def test_only_the_right_call_ends_the_waiting() -> None:
    async with callback("/back", "the-state", [0]) as waiting:
        statuses = [
            (await call(waiting.port, target, method)).split()[1]
            for target, method in (
                ("/back?code=x", "GET"),
                ("/back?code=x&state=other", "GET"),
                ("/favicon.ico", "GET"),
                ("/back?code=x&state=the-state", "POST"),
                ("/back?code=good%2B1&state=the-state", "GET"),
            )
        ]
        assert statuses == ["400", "400", "404", "405", "200"]
        assert await waiting.wait(5) == {"code": "good+1", "state": "the-state"}


async def test_a_second_call_changes_nothing() -> None:
    async with callback("/back", "s", [0]) as waiting:
        await call(waiting.port, "/back?code=1&state=s")
        await call(waiting.port, "/back?code=2&state=s")
        assert (await waiting.wait(5))["code"] == "1"


async def test_a_refusal_is_told_and_nothing_of_it_is_shown_as_html() -> None:
    async with callback("/back", "s", [0]) as waiting:
        page = await call(waiting.port, "/back?error=<script>&state=s")
        assert "declined" in page
        assert "<script>" not in page
        assert (await waiting.wait(5))["error"] == "<script>"


async def test_the_first_free_port_is_taken() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with callback("/back", "s", [port, 0]) as waiting:
            assert waiting.port not in (0, port)
        with pytest.raises(AccountError, match=f"port {port} .*--device"):
            async with callback("/back", "s", [port]):
                pass


async def test_who_says_nothing_or_nonsense_harms_nobody() -> None:
    async with callback("/back", "s", [0]) as waiting:
        for data in (b"", b"\x16\x03\x01\r\n\r\n", b"GET\r\n\r\n", b"x" * 70_000):
            _, writer = await asyncio.open_connection("127.0.0.1", waiting.port)
            writer.write(data)
            writer.close()
        await call(waiting.port, "/back?code=1&state=s")
        assert (await waiting.wait(5))["code"] == "1"


async def test_waiting_ends() -> None:
    async with callback("/back", "s", [0]) as waiting:
        with pytest.raises(AccountError, match="nobody signed in"):
            await waiting.wait(0.01)


@given(st.text(max_size=80).filter(lambda text: "\n" not in text and "\r" not in text))
async def test_no_request_line_is_too_strange(line: str) -> None:
    judge = Callback("/back", "s")._judged
    try:
        status, _, found = judge(line)
    except ValueError:  # no URL; the connection is closed
        return
    assert found is None
    assert status[:3] in ("400", "404", "405")
