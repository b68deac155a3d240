"""The authorization server: its pages for people, and the exchange of codes (codex-wire.md §5.4).

The pages are for browsers and for curl: ``&account=ada`` in the address is the click on a button.
"""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlencode, urlsplit

from addons.settings import is_loopback
from replay.sandbox.accounts import CLIENT_ID, Account
from replay.sandbox.call import Call, Refused, Services, base_headers, send_json, send_whole
from replay.sandbox.codex.logins import LoginRefused, challenge_of
from replay.sandbox.messages import Reply
from replay.sandbox.presets import ErrorAnswer, error

type Json = dict[str, Any]

DEVICE_PAGE = "/codex/device"
DEVICE_CALLBACK = "/deviceauth/callback"
DENY = "(deny)"


async def authorize(services: Services, call: Call, reply: Reply) -> None:
    """``GET`` and ``POST /oauth/authorize``: choose an account, and be sent back."""
    asked = {**call.request.query, **call.body}
    _check_authorization(asked)
    chosen = asked.pop("account", "")
    if not chosen:
        fields = "".join(_hidden(name, value) for name, value in asked.items())
        await _page(call, reply, f"<h1>Sign in</h1>{_accounts(services, fields)}")
        return
    back = {"state": asked.get("state", "")}
    if chosen == DENY:
        back |= {"error": "access_denied", "error_description": "The sign-in was declined."}
    else:
        account = _account(services, call, chosen)
        challenge = asked["code_challenge"]
        code = services.logins.grant(account, asked["redirect_uri"], challenge, services.now())
        back = {"code": code, "scope": asked.get("scope", ""), **back}
    await _redirect(call, reply, f"{asked['redirect_uri']}?{urlencode(back)}")


def redeemed(services: Services, call: Call) -> Json:
    """Tokens for an authorization code: ``POST /oauth/token`` with that grant.

    Raises:
        Refused: 400 ``invalid_grant``.
    """
    code, uri, verifier = (_word(call, n) for n in ("code", "redirect_uri", "code_verifier"))
    try:
        account = services.logins.redeem(code, uri, verifier, services.now())
    except LoginRefused as refused:
        answer = error(400, "invalid_request_error", refused.code, str(refused))
        raise Refused(answer) from refused
    call.entry.account = account.label
    return services.accounts.sign_in(account)


async def device_code(services: Services, call: Call, reply: Reply) -> None:
    """``POST …/deviceauth/usercode``."""
    if call.body.get("client_id") != CLIENT_ID:
        message = "The client id is unknown."
        raise Refused(error(401, "invalid_request_error", "invalid_client", message))
    device = services.logins.device(services.now())
    interval = f"{services.logins.interval:g}"
    body = {"device_auth_id": device.id, "user_code": device.user_code, "interval": interval}
    await send_json(call, reply, body, {"cache-control": "no-store"})


async def device_token(services: Services, call: Call, reply: Reply) -> None:
    """``POST …/deviceauth/token``: 403 until a person has approved."""
    device_id, user_code = _word(call, "device_auth_id"), _word(call, "user_code")
    # The client names the callback by the origin at which it knows this server.
    scheme = "https" if call.request.secure else "http"
    origin = f"{scheme}://{call.request.header('host') or ''}"
    callback = f"{origin}{DEVICE_CALLBACK}"
    answer = services.logins.poll(device_id, user_code, callback, services.now())
    if isinstance(answer, str):
        waiting = answer in ("authorization_pending", "slow_down")
        raise Refused(error(403 if waiting else 400, "invalid_request_error", answer, answer))
    code, device = answer
    body = {
        "authorization_code": code,
        "code_challenge": challenge_of(device.verifier),
        "code_verifier": device.verifier,
    }
    await send_json(call, reply, body, {"cache-control": "no-store"})


async def device_page(services: Services, call: Call, reply: Reply) -> None:
    """``GET`` and ``POST /codex/device``: a person types the code and chooses an account."""
    asked = {**call.request.query, **call.body}
    code, chosen = str(asked.get("user_code") or ""), str(asked.get("account") or "")
    if not code:
        field = "<p>Code: <input name=user_code required></p>"
        await _page(call, reply, f"<h1>Device code</h1>{_accounts(services, field, DEVICE_PAGE)}")
        return
    device = services.logins.waiting(code, services.now())
    if device is None:
        await _page(call, reply, "<h1>Unknown code</h1><p>It is wrong, too old or used.</p>", 404)
        return
    if not chosen:
        field = _hidden("user_code", device.user_code)
        await _page(call, reply, f"<h1>Device code</h1>{_accounts(services, field, DEVICE_PAGE)}")
        return
    if chosen == DENY:
        device.denied = True
        await _page(call, reply, "<h1>Declined</h1>")
        return
    device.account = _account(services, call, chosen)
    await _page(call, reply, "<h1>Approved</h1><p>Go back to your terminal.</p>")


# --- parts ---------------------------------------------------------------------------------------


def _word(call: Call, name: str) -> str:
    return str(call.body.get(name) or "")


def _check_authorization(asked: Json) -> None:
    """
    Raises:
        Refused: 400, the request is shown to the person and nobody is sent back.
    """
    wrong = [
        name
        for name, good in (
            ("client_id", asked.get("client_id") == CLIENT_ID),
            ("response_type", asked.get("response_type") == "code"),
            ("code_challenge_method", asked.get("code_challenge_method") == "S256"),
            ("code_challenge", len(asked.get("code_challenge") or "") == 43),
            ("state", bool(asked.get("state"))),
            ("redirect_uri", _comes_back_here(asked.get("redirect_uri") or "")),
        )
        if not good
    ]
    if wrong:
        text = f"<h1>Not possible</h1><p>Missing or wrong: {', '.join(wrong)}</p>"
        raise Refused(ErrorAnswer(400, _whole(text)))


def _comes_back_here(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme == "http" and is_loopback(parts.hostname or "") and not parts.query
    except ValueError:
        return False


def _account(services: Services, call: Call, name: str) -> Account:
    account = services.accounts.find(name)
    if account is None:
        text = f"<h1>Not possible</h1><p>There is no account {html.escape(name)}</p>"
        raise Refused(ErrorAnswer(404, _whole(text)))
    call.entry.account = account.label
    return account


def _accounts(services: Services, fields: str, action: str = "/oauth/authorize") -> str:
    buttons = "".join(
        f"<p><button name=account value={account.label}>{account.email} ({account.plan})</button>"
        for account in services.accounts
    )
    deny = f'<p><button name=account value="{DENY}" formnovalidate>Decline</button>'
    return f'<form method=post action="{action}">{fields}{buttons}{deny}</form>'


def _hidden(name: str, value: str) -> str:
    return f'<input type=hidden name="{html.escape(name)}" value="{html.escape(value)}">'


def _whole(text: str) -> str:
    head = "<!doctype html><meta charset=utf-8><title>floway sandbox</title>"
    return f"{head}<p>Made-up accounts of the floway sandbox</p>{text}\n"


async def _page(call: Call, reply: Reply, text: str, status: int = 200) -> None:
    head = base_headers("text/html; charset=utf-8")
    await send_whole(call, reply, status, head, _whole(text).encode())


async def _redirect(call: Call, reply: Reply, location: str) -> None:
    headers = {**base_headers("text/html; charset=utf-8"), "location": location}
    await send_whole(call, reply, 302, headers, b"")
