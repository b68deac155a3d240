"""What the sandbox has seen of a client's requests, in words that tests can judge."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

RESPONSES = "/backend-api/codex/responses"
PLUGINS = "/backend-api/ps/plugins/"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request for an answer: a POST, or a message on a WebSocket (prewarms left out).

    Attributes:
        session: header ``session-id`` of the request or of the handshake.
        status: of the answer; 101 on a WebSocket.
    """

    transport: str
    account: str
    session: str
    status: int | None
    body: dict[str, Any]
    usage: dict[str, Any] | None

    @property
    def key(self) -> str:
        return str(self.body.get("prompt_cache_key"))

    def outputs(self) -> list[str]:
        """Tool outputs among its input."""
        items = self.body.get("input") or []
        return [
            json.dumps(item["output"], ensure_ascii=False)
            for item in items
            if str(item.get("type")).endswith("_output")
        ]


def model_requests(entries: Iterable[dict[str, Any]]) -> list[ModelRequest]:
    """Requests for answers, in order."""
    found = []
    for entry in entries:
        if entry["path"] != RESPONSES:
            continue
        session = header(entry, "session-id")
        if entry["transport"] == "http":
            body = entry["body_json"] or {}
            made = ("http", entry["account"], session, entry["status"])
            found.append(ModelRequest(*made, body, entry["usage"]))
            continue
        made = ("websocket", entry["account"], session, entry["status"])
        waiting: list[dict[str, Any]] = []
        for frame in entry["frames"]:
            message = frame.get("json") or {}
            if frame["from"] == "client":
                waiting.append(message)
            elif message.get("type") in ("response.completed", "error", "response.failed"):
                body = waiting.pop(0)
                if body.get("generate") is not False:
                    usage = (message.get("response") or {}).get("usage")
                    found.append(ModelRequest(*made, body, usage))
        found += [ModelRequest(*made, body, None) for body in waiting]
    return found


def header(entry: dict[str, Any], name: str) -> str:
    """A header of a recorded request; "" when it has none."""
    return next((value for key, value in entry["headers"] if key.lower() == name), "")


def account_of(authorization: str) -> str:
    """Account id that a bearer token's claims name."""
    claims = authorization.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return str(decoded["https://api.openai.com/auth"]["chatgpt_account_id"])


def gate_refusals(entries: Iterable[dict[str, Any]], *, other_release: bool = False) -> list[str]:
    """What the gate objected to, with the request.

    Args:
        other_release: the client is of another release than the profile. It asks for plugins with
            queries of its own, which mean something to it and are kept; only the sandbox's gate
            minds.
    """
    return [
        f"{entry['method']} {entry['target']}: {reason}"
        for entry in entries
        for reason in entry["gate"]
        if not (other_release and PLUGINS in entry["path"] and reason.startswith("[request_line]"))
    ]


def leaks(entries: Iterable[dict[str, Any]], secrets: Sequence[str]) -> list[str]:
    """Requests that hold a secret anywhere: target, headers, body, messages."""
    found = []
    for entry in entries:
        seen = json.dumps(entry, ensure_ascii=False)
        seen += base64.b64decode(entry["body_base64"]).decode("latin-1")
        for number, secret in enumerate(secrets):
            if secret in seen:
                found.append(f"{entry['method']} {entry['target']} holds secret {number}")
    return found


def cached_tokens(request: ModelRequest) -> int:
    """Input tokens that the prompt cache gave."""
    usage = request.usage or {}
    return int((usage.get("input_tokens_details") or {}).get("cached_tokens", 0))
