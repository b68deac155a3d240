"""The calls around a model request: models, wham, plugins, MCP, analytics, OAuth."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from replay.sandbox.accounts import CLIENT_ID, TokenRefused
from replay.sandbox.call import Call, Refused, Services, base_headers, send_json, send_whole
from replay.sandbox.codex.models import ETAG, model_list
from replay.sandbox.codex.sign_in import redeemed
from replay.sandbox.events import new_id
from replay.sandbox.messages import Reply
from replay.sandbox.presets import detail, error, refresh_refused

type Json = dict[str, Any]

MCP_PROTOCOL = "2025-06-18"
NO_CONSTRAINT = "NO_CONSTRAINT"


async def models(services: Services, call: Call, reply: Reply) -> None:
    """``GET /backend-api/codex/models?client_version=…`` with ETag."""
    if call.request.header("if-none-match") == ETAG:
        await send_whole(call, reply, 304, {**base_headers("application/json"), "etag": ETAG}, b"")
        return
    lenient = services.config.lenient
    body = {"models": []} if lenient else model_list(call.request.query.get("client_version"))
    await send_json(call, reply, body, {"etag": ETAG})


async def api_models(services: Services, call: Call, reply: Reply) -> None:
    """``GET /v1/models``: the public API's list."""
    entries = [
        {"id": entry["slug"], "object": "model", "created": 1_767_225_600, "owned_by": "openai"}
        for entry in model_list(None)["models"]
    ]
    await send_json(call, reply, {"object": "list", "data": entries})


async def accounts_check(services: Services, call: Call, reply: Reply) -> None:
    """``wham/accounts/check``: workspace routing discovery (codex-wire.md §1.6).

    ``NO_CONSTRAINT`` lets a client stay at the origin of its ``chatgpt_base_url``, which 0.169.0
    accepts for https only. A client that asked over plain http is sent to the TLS listener; it
    stays where it is when the origin of its ``openai_base_url`` is another one (found by running
    0.169.0: ``http://localhost`` and ``http://127.0.0.1`` count as two origins).
    """
    account = call.owner
    origin = NO_CONSTRAINT if call.request.secure else services.https_url or NO_CONSTRAINT
    entry = {
        "id": account.id,
        "account_user_id": f"{account.user_id}__{account.id}",
        "structure": "workspace" if account.plan in ("team", "business") else "personal",
        "plan_type": account.plan,
        "name": None,
        "workspace_backend_origin": origin,
        "account_routing_override": NO_CONSTRAINT,
    }
    body = {
        "accounts": [entry],
        "account_ordering": [account.id],
        "default_account_id": account.id,
    }
    await send_json(call, reply, body)


async def usage(services: Services, call: Call, reply: Reply) -> None:
    """``wham/usage`` (codex-wire.md §4.5)."""
    account = call.owner
    body = {
        "user_id": account.user_id,
        "account_id": account.id,
        "email": account.email,
        **account.quota.usage(account.plan, services.now()),
    }
    await send_json(call, reply, body)


async def settings(services: Services, call: Call, reply: Reply) -> None:
    """``wham/settings/user``: no settings of its own."""
    await send_json(call, reply, {"user_id": call.owner.user_id, "settings": {}})


async def reset_credits(services: Services, call: Call, reply: Reply) -> None:
    """``wham/rate-limit-reset-credits``: none to spend."""
    await send_json(call, reply, {"available_count": 0, "credits": []})


async def consume_reset_credit(services: Services, call: Call, reply: Reply) -> None:
    """``POST wham/rate-limit-reset-credits/consume``: there is none."""
    raise Refused(detail(409, "No reset credits are available"))


async def security_setup(services: Services, call: Call, reply: Reply) -> None:
    """``wham/security-setup``: nothing to set up."""
    await send_json(call, reply, {"required": False, "completed": True})


async def plugins(services: Services, call: Call, reply: Reply) -> None:
    """``ps/plugins/*``: no plugins."""
    await send_json(call, reply, {"enabled": False, "plugins": []})


async def featured_plugins(services: Services, call: Call, reply: Reply) -> None:
    """``plugins/featured``, asked by 0.142.0: a list of names, empty."""
    await send_json(call, reply, [])


async def analytics(services: Services, call: Call, reply: Reply) -> None:
    """``codex/analytics-events/events``: taken and forgotten."""
    await send_json(call, reply, {"status": "ok"})


async def mcp(services: Services, call: Call, reply: Reply) -> None:
    """``ps/mcp``: a JSON-RPC server without tools."""
    body = call.body
    if "id" not in body:  # a notification
        await send_whole(call, reply, 202, base_headers("application/json"), b"")
        return
    match body.get("method"):
        case "initialize":
            result: Json = {
                "protocolVersion": MCP_PROTOCOL,
                "capabilities": {"tools": {"listChanged": False}},
                "serverInfo": {"name": "floway-sandbox", "version": "1.0.0"},
            }
        case "tools/list":
            result = {"tools": []}
        case "resources/list":
            result = {"resources": []}
        case "resources/templates/list":
            result = {"resourceTemplates": []}
        case "prompts/list":
            result = {"prompts": []}
        case "ping":
            result = {}
        case method:
            problem = {"code": -32601, "message": f"Method not found: {method}"}
            await send_json(call, reply, {"jsonrpc": "2.0", "id": body["id"], "error": problem})
            return
    headers = {"mcp-session-id": new_id("mcp")} if body["method"] == "initialize" else {}
    answer = {"jsonrpc": "2.0", "id": body["id"], "result": result}
    await send_json(call, reply, answer, headers)


async def oauth_token(services: Services, call: Call, reply: Reply) -> None:
    """``POST /oauth/token``: a login's code, or a refresh with rotation; JSON or form (§5.3)."""
    body = call.body
    if body.get("client_id") != CLIENT_ID:
        message = "The client id is unknown."
        raise Refused(error(401, "invalid_request_error", "invalid_client", message))
    if body.get("grant_type") == "authorization_code":
        await send_json(call, reply, redeemed(services, call), {"cache-control": "no-store"})
        return
    if body.get("grant_type") != "refresh_token":
        message = f"Unsupported grant type: {body.get('grant_type')}"
        raise Refused(error(400, "invalid_request_error", "unsupported_grant_type", message))
    try:
        account, tokens = services.accounts.refresh(str(body.get("refresh_token") or ""))
    except TokenRefused as refused:
        raise Refused(refresh_refused(refused.code)) from refused
    call.entry.account = account.label
    await send_json(call, reply, tokens, {"cache-control": "no-store"})


async def oauth_revoke(services: Services, call: Call, reply: Reply) -> None:
    """``POST /oauth/revoke``: always well."""
    await send_json(call, reply, {})


def form_body(raw: bytes) -> Json:
    """An ``application/x-www-form-urlencoded`` body; the last value of a name wins."""
    pairs = parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in pairs.items()}
