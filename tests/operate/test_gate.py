"""Who may use the control API."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.operate import METRICS_PATH, PREFIX
from addons.operate.errors import ControlError
from addons.operate.gate import Caller, check, is_here, is_own_host
from addons.operate.token import Token
from tests.operate.places import TOKEN, Place

KEY = Token(TOKEN, Path("control.token"))
GOOD = {"host": "127.0.0.1:8080", "authorization": f"Bearer {TOKEN}"}


def judged(headers: dict[str, str], peer: str = "127.0.0.1", *, open_here: bool = False) -> int:
    """The status that a caller is refused with; 0: it is let in."""
    try:
        check(Caller("http", peer, headers), KEY, ["floway.test"], open_here=open_here)
    except ControlError as error:
        return error.status
    return 0


def test_the_token_lets_in_from_anywhere() -> None:
    assert judged(GOOD) == 0
    assert judged(GOOD, "192.0.2.7") == 0
    assert judged({**GOOD, "authorization": f"bearer  {TOKEN} "}) == 0


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}0", TOKEN, "Bearer é"],
)
def test_without_it_nobody_comes_in(shown: str) -> None:
    assert judged({**GOOD, "authorization": shown}) == 401


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("LOCALHOST.:8080", True),
        ("[::1]:8080", True),
        ("192.0.2.7:80", True),
        ("floway.test:8080", True),
        ("", False),
        ("evil.test:8080", False),
        ("127.0.0.1.evil.test", False),
        ("localhost.evil.test", False),
        ("evil.test@127.0.0.1", False),
        ("127.0.0.1/evil.test", False),
        ("127.0.0.1:port", False),
        ("[::1", False),
    ],
)
def test_names_that_a_page_could_choose_are_refused(host: str, own: bool) -> None:
    assert is_own_host(host, ["floway.test"]) is own
    assert judged({**GOOD, "host": host}) == (0 if own else 421)


@given(st.text(max_size=40))
def test_no_host_brings_it_down(host: str) -> None:
    assert judged({**GOOD, "host": host}) in (0, 421)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8080"}, 0),
        ({"origin": "https://127.0.0.1:8080"}, 403),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 0),
        ({"sec-fetch-site": "none"}, 0),
    ],
)
def test_pages_of_other_origins_are_refused(headers: dict[str, str], status: int) -> None:
    assert judged({**GOOD, **headers}) == status
    assert judged({**GOOD, **headers}, open_here=True) == status


@pytest.mark.parametrize(
    ("peer", "headers", "here"),
    [
        ("127.0.0.1", {}, True),
        ("127.9.9.9", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("192.0.2.7", {}, False),
        ("", {}, False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"via": "1.1 other"}, False),
    ],
)
def test_metrics_are_open_on_this_machine(peer: str, headers: dict[str, str], here: bool) -> None:
    assert is_here(Caller("http", peer, headers)) is here
    host = {"host": "localhost:8080", **headers}
    assert judged(host, peer, open_here=True) == (0 if here else 401)
    assert judged(host, peer) == 401


def test_a_wrong_token_is_refused_where_none_is_needed() -> None:
    shown = {"host": "localhost", "authorization": "Bearer wrong"}
    assert judged(shown, open_here=True) == 401


# --- before the application ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [f"{PREFIX}/accounts", f"{PREFIX}/openapi.json", f"{PREFIX}/none", "/elsewhere"]
)
async def test_every_path_is_behind_the_gate(here: Place, path: str) -> None:
    async with here.client(token="") as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "token_needed"
    assert answer.headers["cache-control"] == "no-store"


async def test_metrics(here: Place) -> None:
    async def status(**asked: Any) -> int:
        async with here.client(**asked) as client:
            return (await client.get(METRICS_PATH)).status_code

    assert await status(token="") == 200
    assert await status(token="", peer="192.0.2.7") == 401
    assert await status(peer="192.0.2.7") == 200


async def test_two_hosts_are_none(here: Place) -> None:
    """Who believes the first and who believes the last would not agree."""
    bearer = (b"authorization", f"Bearer {TOKEN}".encode())
    for count, status in ((1, 200), (2, 421)):
        hosts = [(b"host", b"localhost")] * count
        assert await status_of(here, [*hosts, bearer]) == status


async def status_of(here: Place, headers: list[tuple[bytes, bytes]]) -> int:
    found: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    path = f"{PREFIX}/health"
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": path, "query_string": b""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 5), "raw_path": path.encode()}
    await here.app(scope, receive, send)
    (status,) = found
    return status
