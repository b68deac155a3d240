"""``/_sandbox/``: how tests and people steer the sandbox and see what it received. JSON."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from pydantic import ValidationError

from addons.errors import ClientError
from addons.front.bodies import decode
from replay.sandbox.accounts import Account
from replay.sandbox.call import Services
from replay.sandbox.cursor import control as cursor
from replay.sandbox.cursor.failures import FAILURES
from replay.sandbox.faults import KINDS, parse_rule
from replay.sandbox.gate import make_gate
from replay.sandbox.messages import Reply, Request, header_list
from replay.sandbox.presets import PRESETS

logger = logging.getLogger(__name__)

PREFIX = "/_sandbox/"
MAX_BODY = 1024 * 1024

type Json = dict[str, Any]


class _Problem(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def handle(services: Services, request: Request, reply: Reply) -> None:
    """Answer a control request; problems are ``{"error": …}`` with a 4xx status."""
    try:
        status, value = 200, _dispatch(services, request)
    except _Problem as problem:
        status, value = problem.status, {"error": str(problem)}
    data = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    head = {"content-type": "application/json", "content-length": str(len(data))}
    reply.start(status, header_list(head))
    await reply.write(data)
    await reply.finish()


def _dispatch(services: Services, request: Request) -> Any:
    parts = [part for part in request.path.removeprefix("/_sandbox").split("/") if part]
    match (request.method, *parts):
        case ("GET",):
            return _documentation(services)
        case ("GET", "faults"):
            return {"faults": services.faults.json()}
        case ("POST", "faults"):
            return _add_faults(services, _body(services, request))
        case ("DELETE", "faults"):
            return {"removed": services.faults.remove()}
        case ("DELETE", "faults", number):
            if not number.isdecimal() or not services.faults.remove(int(number)):
                raise _Problem(404, f"there is no fault {number!r}; see GET {PREFIX}faults")
            return {"removed": 1}
        case ("GET", "requests"):
            return _requests(services, request.query)
        case ("GET", "requests", number):
            for entry in services.recorder.entries():
                if str(entry.number) == number:
                    return entry.json()
            raise _Problem(404, f"request {number!r} is not kept")
        case ("DELETE", "requests"):
            services.recorder.clear()
            return {"cleared": True}
        case ("GET", "accounts"):
            return {"accounts": [_account(services, account) for account in services.accounts]}
        case ("GET", "accounts", name):
            return _account(services, _find(services, name))
        case ("GET", "accounts", name, "auth.json"):
            return services.accounts.auth_json(_find(services, name))
        case ("POST", "accounts", name):
            return _change_account(services, _find(services, name), _body(services, request))
        case ("GET", "cache"):
            return services.cache.statistics()
        case ("DELETE", "cache"):
            services.cache.clear()
            return {"cleared": True}
        case (method, "cursor", *rest):
            answer = cursor.answer(services, method, rest, lambda: _body(services, request))
            if answer is not None and answer[0] == 200:
                return answer[1]
            if answer is not None:
                raise _Problem(answer[0], answer[1]["error"])
        case ("POST", "gate"):
            return _set_gate(services, _body(services, request))
    raise _Problem(404, f"{request.method} {request.path} does nothing; see GET {PREFIX}")


def _body(services: Services, request: Request) -> Any:
    try:
        raw = decode(request.body, request.header("content-encoding"), limit=MAX_BODY)
        return orjson.loads(raw)
    except (ClientError, orjson.JSONDecodeError) as error:
        raise _Problem(400, f"the body must be JSON: {error}") from error


def _add_faults(services: Services, body: Any) -> Json:
    """One rule, or a list of them; all or none are added."""
    try:
        rules = [parse_rule(value) for value in (body if isinstance(body, list) else [body])]
        added = services.faults.add(*rules)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise _Problem(400, "; ".join(lines)) from error
    except ValueError as error:
        raise _Problem(400, str(error)) from error
    return {"added": [active.json() for active in added]}


def _set_gate(services: Services, body: Any) -> Json:
    mode = body.get("mode") if isinstance(body, dict) else None
    if not isinstance(mode, str) or set(body) != {"mode"}:
        raise _Problem(400, 'the body must be {"mode": "off" | "newest" | "claimed" | PROFILE}')
    try:
        services.gate = make_gate(mode)
    except ValueError as error:
        raise _Problem(400, str(error)) from error
    return {"gate": services.gate.mode}


def _requests(services: Services, query: dict[str, str]) -> Json:
    wanted = {
        name: query[name] for name in ("account", "path", "model", "transport") if name in query
    }
    entries = services.recorder.entries()
    for name, value in wanted.items():
        if name == "path":
            entries = [entry for entry in entries if entry.request.path == value]
        else:
            entries = [entry for entry in entries if getattr(entry, name) == value]
    limit = query.get("limit", "")
    if limit:
        if not limit.isdecimal():
            raise _Problem(400, "limit: must be a number")
        entries = entries[-int(limit) :] if int(limit) else []
    bodies = query.get("bodies", "1") not in ("0", "false", "no")
    return {"requests": [entry.json(bodies=bodies) for entry in entries]}


def _find(services: Services, name: str) -> Account:
    account = services.accounts.find(name)
    if account is None:
        raise _Problem(404, f"there is no account {name!r}; see GET {PREFIX}accounts")
    return account


def _account(services: Services, account: Account) -> Json:
    now = services.now()
    return {
        "label": account.label,
        "id": account.id,
        "email": account.email,
        "plan": account.plan,
        "access_token": services.accounts.access_token(account),
        "refresh_token": account.refresh_token,
        "api_key": account.api_key,
        "requests": account.requests,
        "refreshes": account.refreshes,
        "usage": account.quota.usage(account.plan, now)["rate_limit"],
    }


def _change_account(services: Services, account: Account, body: Any) -> Json:
    changes = {"expire_tokens", "invalidate_tokens", "used_percent", "resets_in", "refresh_error"}
    if not isinstance(body, dict) or not body or set(body) - changes:
        raise _Problem(
            400, f"the body must be an object with some of: {', '.join(sorted(changes))}"
        )
    if body.get("expire_tokens"):
        account.expire_tokens()
    if body.get("invalidate_tokens"):
        account.invalidate_tokens()
    if "refresh_error" in body:
        account.refresh_error = str(body["refresh_error"] or "")
    if "used_percent" in body:
        percent, resets_in = body["used_percent"], body.get("resets_in")
        if not _number(percent) or not (resets_in is None or _number(resets_in)):
            raise _Problem(400, "used_percent and resets_in: must be numbers of 0 or more")
        account.quota.set_used(percent, resets_in, services.now())
    return _account(services, account)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _documentation(services: Services) -> Json:
    return {
        "about": "floway sandbox: made-up upstreams, Codex and Cursor. Nothing here reaches a real "
        "service.",
        "gate": services.gate.mode,
        "endpoints": {
            "GET /_sandbox/faults": "faults that are set, with counters",
            "POST /_sandbox/faults": "set a fault (or a list): {match, times, skip, fault}",
            "DELETE /_sandbox/faults[/ID]": "remove all faults, or one",
            "GET /_sandbox/requests": "requests received, oldest first; filters ?account= ?path= "
            "?model= ?transport=http|websocket|agent ?limit=N ?bodies=0",
            "GET /_sandbox/requests/ID": "one of them",
            "DELETE /_sandbox/requests": "forget them",
            "GET /_sandbox/accounts[/NAME]": "made-up accounts with fresh tokens",
            "GET /_sandbox/accounts/NAME/auth.json": "the official client's auth.json",
            "POST /_sandbox/accounts/NAME": "change: {expire_tokens: true} {invalidate_tokens: "
            "true} {refresh_error: CODE|null} {used_percent: N, resets_in: SECONDS}",
            "POST /_sandbox/gate": '{"mode": "off" | "newest" | "claimed" | PROFILE}',
            "GET /_sandbox/cache": "prompt-cache counts, over all and by key",
            "DELETE /_sandbox/cache": "forget all cached prefixes",
            **cursor.ENDPOINTS,
        },
        "match": {
            "account": "label, id or e-mail",
            "method": "GET, POST",
            "path": "exact, or a prefix that ends with *; Cursor's calls are matched only by rules "
            "that name a path or an account",
            "model": "slug",
            "transport": "http | upgrade | frame | websocket (upgrade and frame) | agent (a run of "
            "Cursor's agent)",
        },
        "times": "how often the fault applies (default 1; null for ever)",
        "skip": "how many matching requests pass before (default 0)",
        "fault": {
            **{_kind(kind): _members(kind) for kind in KINDS},
            "every kind": "delay: seconds to wait first",
        },
        "presets": sorted(PRESETS),
        "presets of agent faults": sorted(FAILURES),
        "at": "before_headers | before_output | after_output | number of events; of agent faults: "
        "awaiting_tools | after_tools | after_turn",
        "example": {
            "match": {"account": "ada", "path": "/backend-api/codex/responses"},
            "times": 1,
            "fault": {"preset": "usage_limit_reached", "resets_in_seconds": 600},
        },
        "prompt directives": '[[call NAME {json}]] [[run COMMAND]] [[then]] [[say N]] [[text "…"]] '
        "[[think N]] [[tokens N]] [[pace MS]] [[remember KEY VALUE]] [[recall KEY]]; with Cursor: "
        "[[exec KIND]] [[query KIND]] [[noise]]",
    }


def _kind(kind: Any) -> str:
    return str(kind.model_fields["kind"].annotation.__args__[0])


def _members(kind: Any) -> Json:
    about = (kind.__doc__ or "").strip().splitlines()[0]
    members = [name for name in kind.model_fields if name not in ("kind", "delay")]
    return {"about": about, "members": members, "applies to": sorted(kind.phases)}
