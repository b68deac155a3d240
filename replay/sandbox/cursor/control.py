"""``/_sandbox/cursor/``: the accounts and conversations of the Cursor side. JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from replay.sandbox.call import Services
from replay.sandbox.cursor.accounts import LIMIT_CENTS, CursorAccount

type Json = dict[str, Any]
type Answer = tuple[int, Json]

ENDPOINTS = {
    "GET /_sandbox/cursor/accounts[/NAME]": "made-up Cursor accounts with fresh tokens",
    "POST /_sandbox/cursor/accounts/NAME": "change: {expire_tokens: true} {refresh_error: STATUS|"
    "null} {used_percent: N}",
    "GET /_sandbox/cursor/conversations": "conversations: their accounts, and how they went on",
}
_CHANGES = {"expire_tokens", "refresh_error", "used_percent"}


def answer(
    services: Services, method: str, parts: list[str], body: Callable[[], object]
) -> Answer | None:
    """Status and JSON; None: there is no such thing.

    Args:
        parts: of the path, without ``/_sandbox/cursor``.
        body: reads the request's JSON.
    """
    match (method, *parts):
        case ("GET", "conversations"):
            found = services.cursor.conversations.items()
            return 200, {"conversations": [{"id": id_, **asdict(value)} for id_, value in found]}
        case ("GET", "accounts"):
            return 200, {
                "accounts": [_account(services, each) for each in services.cursor.accounts]
            }
        case ("GET" | "POST", "accounts", name):
            account = services.cursor.accounts.find(name)
            if account is None:
                problem = f"there is no account {name!r}; see GET /_sandbox/cursor/accounts"
                return 404, {"error": problem}
            problem = _change(account, body()) if method == "POST" else ""
            return (400, {"error": problem}) if problem else (200, _account(services, account))
    return None


def _account(services: Services, account: CursorAccount) -> Json:
    tokens = services.cursor.accounts.sign_in(account)
    return {
        "label": account.label,
        "id": account.id,
        "email": account.email,
        "plan": account.plan,
        "access_token": tokens["accessToken"],
        "refresh_token": tokens["refreshToken"],
        "api_key": account.api_key,
        "runs": account.runs,
        "exchanges": account.exchanges,
        "used_percent": min(100.0, 100.0 * account.spent / LIMIT_CENTS),
    }


def _change(account: CursorAccount, body: object) -> str:
    """Change an account; what is wrong with the request, "" when nothing is."""
    if not isinstance(body, dict) or not body or set(body) - _CHANGES:
        return f"the body must be an object with some of: {', '.join(sorted(_CHANGES))}"
    percent, status = body.get("used_percent", 0), body.get("refresh_error")
    if isinstance(percent, bool) or not isinstance(percent, int | float) or percent < 0:
        return "used_percent: must be a number of 0 or more"
    if status is not None and not (isinstance(status, int) and 400 <= status <= 599):
        return "refresh_error: must be an HTTP status of an error, or null"
    if body.get("expire_tokens"):
        account.generation += 1
    if "refresh_error" in body:
        account.refresh_error = status or 0
    if "used_percent" in body:
        account.spent = LIMIT_CENTS * percent / 100
    return ""
