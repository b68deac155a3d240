"""Calls beside the model: the release's form where it makes them, the account's sign-in always."""

from __future__ import annotations

import json

import pytest
import zstandard

from addons.errors import ClientError
from tests.providers.codex.exchanges import RELEASES, Side, differences, header, key_accounts

CALLS = [
    ("GET", "/backend-api/wham/usage", b""),
    ("GET", "/backend-api/codex/models?client_version=0.1.0", b""),
    ("GET", "/backend-api/codex/models", b""),
    ("GET", "/backend-api/ps/plugins/installed?limit=200", b""),
    ("POST", "/backend-api/ps/mcp", b'{"jsonrpc":"2.0","method":"initialize","id":0}'),
    ("POST", "/backend-api/codex/analytics-events/events", b'{"events":[]}'),
]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_known_calls_have_the_release_s_form(
    release: str, method: str, path: str, body: bytes
) -> None:
    side = Side(profile=release)
    request = await side.sent(side.exchange(path, body, method=method))
    odd = {"path"} if (release, "limit=200" in path) == (RELEASES[1], True) else set()
    assert {d.path for d in differences(release, request) if not d.path.startswith("body")} == odd
    assert header(request, "authorization") == "Bearer token-of-ada"
    version = release.removeprefix("codex@")
    if "models" in path:
        assert request.path == f"/backend-api/codex/models?client_version={version}"
    else:
        assert request.path == path


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/backend-api/ps/plugins/suggested/codex?scope=USER", None),
        ("/backend-api/ps/plugins/installed?limit=7&cursor=x", None),
        (
            "/backend-api/codex/models?a=1&client_version=0.1&b=2",
            "/backend-api/codex/models?a=1&client_version=0.169.0&b=2",
        ),
        ("/backend-api/codex/models?my_client_version=1", None),
    ],
)
async def test_a_client_s_query_is_its_own(asked: str, sent: str | None) -> None:
    request = await Side().sent(Side().exchange(asked, method="GET"))
    assert request.path == (sent or asked)


async def test_an_unknown_call_keeps_the_client_s_headers() -> None:
    side = Side()
    request = await side.sent(
        side.exchange(
            "/backend-api/wham/tasks?x=1",
            b'{"a":1}',
            headers=[
                ("Host", "127.0.0.1:8080"),
                ("X-Custom", "1"),
                ("Authorization", "Bearer own"),
                ("connection", "keep-alive, x-hop"),
                ("X-Hop", "1"),
                ("ChatGPT-Account-Id", "own-account"),
                ("x-custom", "2"),
                ("Cookie", "a=1"),
                ("accept-encoding", "gzip"),
                ("expect", "100-continue"),
                ("content-length", "99"),
                ("authorization", "Bearer second"),
            ],
        )
    )
    account = side.own[0]
    assert [(name.decode(), value.decode()) for name, value in request.headers] == [
        ("Host", "127.0.0.1:8080"),  # marks the place; the authority is the upstream's
        ("X-Custom", "1"),
        ("Authorization", "Bearer token-of-ada"),
        ("ChatGPT-Account-Id", account.credential.account_id),  # type: ignore[attr-defined]
        ("x-custom", "2"),
        ("content-length", "7"),
    ]
    assert (request.method, request.path, request.body) == (
        *("POST", "/backend-api/wham/tasks?x=1", b'{"a":1}'),
    )
    assert request.authority == "127.0.0.1:9"
    assert request.lane == account.handle


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'[{"jsonrpc":"2.0"}]', b'{"id":1,"result":{}}', b"\x28\xb5\x2f\xfd"],
)
async def test_a_known_call_with_another_body_is_sent_as_it_is(body: bytes) -> None:
    side = Side()
    request = await side.sent(side.exchange("/backend-api/ps/mcp", body))
    assert request.body == body


async def test_a_compressed_call_is_read() -> None:
    body = zstandard.compress(b'{"events":[{"a":1}]}')
    side = Side()
    exchange = side.exchange(
        "/backend-api/codex/analytics-events/events", body, headers=[("content-encoding", "zstd")]
    )
    request = await side.sent(exchange)
    assert json.loads(request.body) == {"events": [{"a": 1}]}
    assert header(request, "content-encoding") is None


async def test_with_an_api_key_there_are_no_such_calls() -> None:
    side = Side(own=key_accounts("key"))
    for path in ("/backend-api/wham/usage", "/backend-api/wham/tasks"):
        with pytest.raises(ClientError, match="API key") as caught:
            await side.sent(side.exchange(path, method="GET"))
        assert caught.value.status == 404
    request = await side.sent(side.exchange("/v1/models", method="GET"))
    assert request.path == "/v1/models"
    assert header(request, "authorization") == "Bearer sk-key-of-key"
