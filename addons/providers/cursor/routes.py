"""What this provider serves, as data: models on the base URL, and its official clients' calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from addons.front.routes import Route
from addons.providers.cursor.wire.endpoint import RUN

PREFIX: Final = "cursor/"
"""Before the names of all models of this provider."""

BACKEND: Final = "api2.cursor.sh"
"""Where official clients sign in (cursor-protocol.md §1.1)."""

AGENTS: Final = (
    "agent.api5.cursor.sh",
    "agentn.api5.cursor.sh",
    "agent.global.api5.cursor.sh",
    "agentn.global.api5.cursor.sh",
    "agent.us.api5.cursor.sh",
    "agentn.us.api5.cursor.sh",
)
"""Where their runs go (ibid.); decrypted in forward-proxy mode. Hosts of other regions are a matter
of the setting ``forward_hosts``."""

_SUFFIX: Final = ".cursor.sh"


def routes(provider: str, forward_hosts: Iterable[str]) -> list[Route]:
    """The route table's lines, most used first."""
    more = [host for host in forward_hosts if host.endswith(_SUFFIX)]
    hosts = dict.fromkeys((None, BACKEND, *AGENTS, *more))
    return [
        Route(None, "POST", "/v1/responses", "model", "responses", provider, RUN,
              f"Models named {PREFIX}…"),
        Route(None, "POST", "/v1/chat/completions", "model", "chat", provider, RUN,
              f"Models named {PREFIX}…"),
        Route(None, "POST", "/v1/messages", "model", "messages", provider, RUN,
              f"Models named {PREFIX}…"),
        Route(None, "POST", "/v1/messages/count_tokens", "count", "messages", provider, "",
              "Tokens of such a request, estimated here"),
        Route(None, "GET", "/v1/models", "models", "responses", provider, "",
              "Models of the accounts"),
        Route(None, "GET", "/v1/models/*", "models", "responses", provider, "", "One model"),
        *(route for host in hosts for route in _official(host, provider)),
    ]  # fmt: skip


def serves(model: str) -> bool:
    """Whether a model's name is one of this provider's."""
    return model.startswith(PREFIX) and len(model) > len(PREFIX)


def _official(host: str | None, provider: str) -> list[Route]:
    found = [
        Route(host, "POST", RUN, "duplex", "responses", provider, "",
              "The official clients' runs", native=True),
        Route(host, "POST", "/agent.v1.*", "passthrough", "responses", provider, "",
              "Runs without HTTP/2, models, titles", native=True),
        Route(host, "POST", "/aiserver.v1.*", "passthrough", "responses", provider, "",
              "Models, usage, settings, messages of a run", native=True),
    ]  # fmt: skip
    if host not in AGENTS:
        note = "Signing in"
        found.append(
            Route(host, "*", "/auth/*", "passthrough", "responses", provider, "", note, native=True)
        )
    return found
