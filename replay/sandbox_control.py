"""``/_sandbox/`` of a sandbox in another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

type Json = dict[str, Any]


class SandboxControl:
    """See the sandbox's own ``GET /_sandbox/``.

    Args:
        url: of the sandbox.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/_sandbox/", trust_env=False, timeout=30)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """What it answers; ``more``: as in :meth:`httpx.Client.request`."""
        answer = self._http.request(method, path, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def requests(self, path: str | None = None, **filters: str) -> list[Json]:
        """What the sandbox received, oldest first."""
        query = {**filters, **({"path": path} if path else {})}
        found: list[Json] = self.ask("GET", "requests", params=query)["requests"]
        return found

    def fault(self, fault: Mapping[str, Any], *, times: int | None = 1, **match: Any) -> None:
        self.ask("POST", "faults", json={"match": match, "times": times, "fault": fault})

    def faults(self) -> list[Json]:
        found: list[Json] = self.ask("GET", "faults")["faults"]
        return found

    def gate(self, mode: str) -> None:
        self.ask("POST", "gate", json={"mode": mode})

    def accounts(self) -> list[Json]:
        found: list[Json] = self.ask("GET", "accounts")["accounts"]
        return found

    def forget(self) -> None:
        """Forget requests, faults and cached prefixes."""
        for path in ("requests", "faults", "cache"):
            self.ask("DELETE", path)

    def close(self) -> None:
        self._http.close()
