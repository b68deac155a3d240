"""What this provider serves, as data: on the base URL, and at the real host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from addons.front.routes import Route

CHATGPT = "chatgpt.com"
"""Host of the ChatGPT sign-in; decrypted in forward-proxy mode."""

API = "api.openai.com"
"""Host of API keys; decrypted only where the setting ``forward_hosts`` names it."""

BACKEND = "/backend-api/codex"
RESPONSES = f"{BACKEND}/responses"
ACCOUNTS_CHECK = "/backend-api/wham/accounts/check"


def routes(provider: str, forward_hosts: Iterable[str]) -> list[Route]:
    """The route table's lines, most used first."""

    def openai(host: str | None) -> list[Route]:
        return [
            Route(host, "POST", "/v1/responses", "model", "responses", provider, RESPONSES,
                  "Responses, streamed or whole"),
            Route(host, "GET", "/v1/responses", "model_socket", "responses", provider, RESPONSES,
                  "Responses over WebSocket"),
            Route(host, "POST", "/v1/chat/completions", "model", "chat", provider, RESPONSES,
                  "Chat completions, translated"),
            Route(host, "POST", "/v1/responses/compact", "model", "compaction", provider,
                  RESPONSES, "Compaction of a history"),
            Route(host, "GET", "/v1/models", "models", "responses", provider, f"{BACKEND}/models",
                  "Models of the accounts"),
            Route(host, "GET", "/v1/models/*", "models", "responses", provider,
                  f"{BACKEND}/models", "One model"),
        ]  # fmt: skip

    def anthropic() -> list[Route]:
        return [
            Route(None, "POST", "/v1/messages", "model", "messages", provider, RESPONSES,
                  "Anthropic messages, translated"),
            Route(None, "POST", "/v1/messages/count_tokens", "count", "messages", provider, "",
                  "Tokens of such a request, estimated here"),
        ]  # fmt: skip

    def official(host: str | None) -> list[Route]:
        own = [
            Route(host, "POST", RESPONSES, "model", "responses", provider, RESPONSES,
                  "The official client's model requests"),
            Route(host, "GET", RESPONSES, "model_socket", "responses", provider, RESPONSES,
                  "The official client's WebSocket"),
            Route(host, "POST", f"{RESPONSES}/compact", "model", "compaction", provider,
                  RESPONSES, "Compaction as older releases ask for it"),
            Route(host, "GET", ACCOUNTS_CHECK, "passthrough", "responses", provider, "",
                  "Answered here, so that the client keeps coming here"),
            Route(host, "*", "/backend-api/*", "passthrough", "responses", provider, "",
                  "Start-up calls, usage, settings: with the account's identity"),
        ]  # fmt: skip
        return [replace(route, native=True) for route in own]

    found = [*openai(None), *anthropic(), *official(None), *official(CHATGPT)]
    if API in forward_hosts:
        found += openai(API)
    return found
