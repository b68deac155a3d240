"""Answers that floway gives itself: model lists and the account check."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.errors import ClientError
from addons.providers.codex.models import parse
from addons.providers.codex.side import accounts_check, entry, models_answer
from tests.providers.codex.exchanges import MODELS, Side, accounts, key_accounts, produced

CHECK = "/backend-api/wham/accounts/check"


async def checked(side: Side, host: str | None = None, *headers: tuple[str, str]) -> dict[str, Any]:
    exchange = side.exchange(CHECK, method="GET", host=host, headers=headers)
    answer = accounts_check(exchange, side.own[0])
    assert (answer.status, answer.account) == (200, "ada")
    assert answer.headers == [(b"content-type", b"application/json")]
    found: dict[str, Any] = json.loads(await produced(answer.body))
    return found


async def test_the_client_keeps_coming_here() -> None:
    found = await checked(Side(), None, ("Host", "127.0.0.1:8080"))
    (account,) = found["accounts"]
    assert account["workspace_backend_origin"] == "https://127.0.0.1:8080"
    assert account["account_routing_override"] == "NO_CONSTRAINT"
    assert found["account_ordering"] == [found["default_account_id"]] == [account["id"]]


@pytest.mark.parametrize(
    ("host", "headers"), [("chatgpt.com", [("Host", "chatgpt.com")]), (None, [])]
)
async def test_without_a_base_url_there_is_nothing_to_keep(
    host: str | None, headers: list[tuple[str, str]]
) -> None:
    """Through the proxy the real origin is right; over HTTP/2 there is no host header."""
    found = await checked(Side(), host, *headers)
    assert found["accounts"][0]["workspace_backend_origin"] == "NO_CONSTRAINT"


async def test_the_client_finds_its_own_account() -> None:
    found = await checked(Side(), None, ("chatgpt-account-id", "its-own"))
    assert found["default_account_id"] == "its-own"
    side = Side(own=accounts("ada"))
    assert (await checked(side))["default_account_id"].startswith("0000")
    assert (await checked(Side(own=key_accounts("ada"))))["default_account_id"] == "floway"


async def answered(path: str) -> dict[str, Any]:
    side = Side()
    exchange = side.exchange(path, method="GET")
    answer = models_answer(exchange, parse(MODELS), side.own[0])
    found: dict[str, Any] = json.loads(await produced(answer.body))
    return found


async def test_a_list_of_models() -> None:
    found = await answered("/v1/models?limit=5")
    assert found["object"] == "list"
    assert [model["id"] for model in found["data"]] == ["gpt-5.5", "gpt-5.6-terra"]


async def test_one_model() -> None:
    assert (await answered("/v1/models/gpt-5.5"))["id"] == "gpt-5.5"
    for unknown in ("/v1/models/nothing", "/v1/models/hidden"):
        with pytest.raises(ClientError) as caught:
            await answered(unknown)
        assert caught.value.status == 404


def test_an_entry() -> None:
    (model,) = parse(
        {
            "models": [
                {
                    "slug": "m",
                    "display_name": "M",
                    "context_window": 272000,
                    "supported_reasoning_levels": ["low"],
                    "input_modalities": ["text", "image"],
                }
            ]
        }
    )
    found = entry(model)
    assert (found.id, found.owned_by, found.context_window) == ("m", "openai", 272000)
    assert found.extras == {
        "input_modalities": ["text", "image"],
        "display_name": "M",
        "supported_reasoning_efforts": ["low"],
    }
