"""Faults on demand: which request gets which, as data."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, Field, field_validator

from replay.sandbox.accounts import Account
from replay.sandbox.cursor.accounts import CursorAccount
from replay.sandbox.cursor.faults import AgentFault
from replay.sandbox.fault_base import FaultBase, Inside, Place, Strict
from replay.sandbox.presets import PRESETS, ErrorAnswer, PresetContext

MAX_RULES = 1000

type Phase = Literal["http", "upgrade", "frame", "agent"]
type AnyAccount = Account | CursorAccount


class Match(Strict):
    """Which requests; what is not given matches everything.

    Attributes:
        account: label, account id or e-mail address.
        path: exact, or a prefix when it ends with ``*``.
        model: slug in the body, or in the routing hint of an upgrade.
        transport: ``http``; ``upgrade`` (the WebSocket handshake); ``frame`` (a ``response.create``
            on an open WebSocket); ``websocket`` (both of these); ``agent`` (a run of Cursor's
            agent).
    """

    account: str | None = None
    method: str | None = None
    path: str | None = None
    model: str | None = None
    transport: Literal["http", "websocket", "upgrade", "frame", "agent"] | None = None


class StatusFault(FaultBase):
    """An error answer; on an open WebSocket an ``error`` frame with the same content."""

    kind: Literal["status"] = "status"
    status: int = Field(ge=200, le=599)
    body: Any = None
    headers: dict[str, str] = Field(default={})
    retry_after: float | None = None

    def answer(self, context: PresetContext) -> ErrorAnswer:
        body = self.body
        if body is None:
            body = {"detail": f"Fault {self.status} of the sandbox"}
        if not isinstance(body, str | dict):
            body = {"detail": body}
        return ErrorAnswer(self.status, body, _with_retry(dict(self.headers), self.retry_after))


class PresetFault(FaultBase):
    """One of the backend's own errors, see :data:`replay.sandbox.presets.PRESETS`."""

    kind: Literal["preset"] = "preset"
    preset: str
    message: str = ""
    resets_in_seconds: float | None = Field(default=None, ge=0)
    retry_after: float | None = Field(default=None, ge=0)
    headers: dict[str, str] = Field(default={})

    @field_validator("preset")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PRESETS:
            raise ValueError(f"unknown preset {value!r}; there are: {', '.join(sorted(PRESETS))}")
        return value

    def answer(self, context: PresetContext) -> ErrorAnswer:
        context = PresetContext(
            context.account,
            context.now,
            self.message,
            self.resets_in_seconds,
            self.retry_after,
            context.model,
        )
        found = PRESETS[self.preset](context)
        headers = _with_retry({**found.headers, **self.headers}, self.retry_after)
        return ErrorAnswer(found.status, found.body, headers)


class FailureFault(FaultBase):
    """``response.failed`` inside a 200, e.g. ``server_is_overloaded``, ``usage_limit_reached``."""

    kind: Literal["failure"]
    code: str = "server_is_overloaded"
    message: str = ""
    error: dict[str, Any] = Field(default={})
    at: Inside = "before_output"
    phases: ClassVar[frozenset[str]] = frozenset({"http", "frame"})


class ResetFault(FaultBase):
    """Breaks off without an end: TCP RST, or RST_STREAM over HTTP/2."""

    kind: Literal["reset"]
    at: Place = "after_output"


class CloseFault(FaultBase):
    """Ends the answer cleanly in the middle: no ``response.completed`` ever comes."""

    kind: Literal["close"]
    at: Inside = "after_output"
    phases: ClassVar[frozenset[str]] = frozenset({"http", "frame"})


class StallFault(FaultBase):
    """Says nothing for some seconds, then goes on."""

    kind: Literal["stall"]
    seconds: float = Field(ge=0, le=3600)
    at: Place = "after_output"


class DripFault(FaultBase):
    """Sends the body in small pieces with a pause after each (WebSocket: after each frame)."""

    kind: Literal["drip"]
    bytes: int = Field(default=16, ge=1)
    seconds: float = Field(default=0.02, ge=0, le=60)
    phases: ClassVar[frozenset[str]] = frozenset({"http", "frame"})


class HeadersFault(FaultBase):
    """Serves as usual with other headers, e.g. no content-type (codex-wire.md §4.1)."""

    kind: Literal["headers"]
    set: dict[str, str] = Field(default={})
    drop: list[str] = Field(default=[])
    phases: ClassVar[frozenset[str]] = frozenset({"http"})

    def changed(self, headers: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in headers.items() if name not in self.drop}
        return {**kept, **self.set}


class DelayFault(FaultBase):
    """Nothing but its ``delay``; the request is then served as usual."""

    kind: Literal["delay"]


class RefuseUpgradeFault(FaultBase):
    """Answers the WebSocket upgrade with a status, e.g. 426."""

    kind: Literal["refuse_upgrade"]
    status: int = Field(default=426, ge=200, le=599)
    body: Any = None
    headers: dict[str, str] = Field(default={})
    phases: ClassVar[frozenset[str]] = frozenset({"upgrade"})

    def answer(self, context: PresetContext) -> ErrorAnswer:
        body = {"detail": "Upgrade refused"} if self.body is None else self.body
        return ErrorAnswer(self.status, body, self.headers)


class ErrorFrameFault(FaultBase):
    """An ``error`` frame on the WebSocket; ``status`` null leaves it out (trap 12)."""

    kind: Literal["error_frame"]
    status: int | None = None
    code: str | None = None
    type: str = "invalid_request_error"
    message: str = "The sandbox was told to fail."
    headers: dict[str, str] = Field(default={})
    error: dict[str, Any] = Field(default={})
    at: Inside = 0
    phases: ClassVar[frozenset[str]] = frozenset({"frame"})


class CloseSocketFault(FaultBase):
    """Closes the WebSocket with a code."""

    kind: Literal["close_socket"]
    code: int = Field(default=1011, ge=1000, le=4999)
    reason: str = ""
    at: Inside = 0
    phases: ClassVar[frozenset[str]] = frozenset({"frame"})


Fault = (
    StatusFault
    | PresetFault
    | FailureFault
    | ResetFault
    | CloseFault
    | StallFault
    | DripFault
    | HeadersFault
    | DelayFault
    | RefuseUpgradeFault
    | ErrorFrameFault
    | CloseSocketFault
    | AgentFault
)


KINDS: tuple[type[BaseModel], ...] = get_args(Fault)


class FaultRule(Strict):
    """A fault and the requests it applies to.

    Attributes:
        times: how often it applies; null for ever.
        skip: how many matching requests pass before.
    """

    match: Match = Match()
    times: int | None = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    fault: Annotated[Fault, Field(discriminator="kind")]


class ActiveRule:
    """A rule with its counters."""

    def __init__(self, number: int, rule: FaultRule) -> None:
        self.number = number
        self.rule = rule
        self.seen = 0
        self.applied = 0

    @property
    def spent(self) -> bool:
        return self.rule.times is not None and self.applied >= self.rule.times

    def json(self) -> dict[str, Any]:
        return {
            "id": self.number,
            **self.rule.model_dump(mode="json", exclude_defaults=True),
            "seen": self.seen,
            "applied": self.applied,
        }


class FaultTable:
    """All rules; the first one that matches and is not spent applies."""

    def __init__(self, find_account: Callable[[str], AnyAccount | None]) -> None:
        self._find_account = find_account
        self._rules: list[ActiveRule] = []
        self._numbers = itertools.count(1)

    def add(self, *rules: FaultRule) -> list[ActiveRule]:
        """Add all of the rules or, with an error, none.

        Raises:
            ValueError: unknown account, or too many rules.
        """
        for rule in rules:
            name = rule.match.account
            if name is not None and self._find_account(name) is None:
                raise ValueError(
                    f"match.account: there is no account {name!r}; see /_sandbox/accounts"
                )
        self._rules = [active for active in self._rules if not active.spent]
        if len(self._rules) + len(rules) > MAX_RULES:
            raise ValueError(f"faults: at most {MAX_RULES} rules; DELETE /_sandbox/faults first")
        added = [ActiveRule(next(self._numbers), rule) for rule in rules]
        self._rules += added
        return added

    def remove(self, number: int | None = None) -> int:
        """Remove one rule, or all; how many were removed."""
        kept = [] if number is None else [rule for rule in self._rules if rule.number != number]
        removed, self._rules = len(self._rules) - len(kept), kept
        return removed

    def json(self) -> list[dict[str, Any]]:
        return [active.json() for active in self._rules]

    def take(
        self,
        *,
        phase: Phase,
        method: str,
        path: str,
        account: AnyAccount | None,
        model: str,
        named: bool = False,
    ) -> Fault | None:
        """The fault for a request, counted as applied; None for most.

        Args:
            named: only of rules that name a path or an account, for requests that are made besides.
        """
        for active in self._rules:
            match = active.rule.match
            if active.spent or phase not in active.rule.fault.phases:
                continue
            if named and match.path is None and match.account is None:
                continue
            if not self._matches(active.rule.match, phase, method, path, account, model):
                continue
            active.seen += 1
            if active.seen <= active.rule.skip:
                continue
            active.applied += 1
            return active.rule.fault
        return None

    def _matches(
        self,
        match: Match,
        phase: Phase,
        method: str,
        path: str,
        account: AnyAccount | None,
        model: str,
    ) -> bool:
        if match.transport not in (None, phase) and not (
            match.transport == "websocket" and phase != "http"
        ):
            return False
        if match.method not in (None, method) or match.model not in (None, model):
            return False
        if match.account is not None and self._find_account(match.account) is not account:
            return False
        if match.path is None:
            return True
        if match.path.endswith("*"):
            return path.startswith(match.path[:-1])
        return path == match.path


def parse_rule(value: Any) -> FaultRule:
    """A rule from JSON. ``{"fault": {"preset": …}}`` and ``{"status": …}`` need no ``kind``.

    Raises:
        pydantic.ValidationError: names the members that are wrong.
    """
    if isinstance(value, dict) and isinstance(value.get("fault"), dict):
        fault = dict(value["fault"])
        if "kind" not in fault:
            if "preset" in fault:
                fault["kind"] = "preset"
            elif "status" in fault:
                fault["kind"] = "status"
        value = {**value, "fault": fault}
    return FaultRule.model_validate(value)


def _with_retry(headers: dict[str, str], retry_after: float | None) -> dict[str, str]:
    if retry_after is not None:
        headers["retry-after"] = f"{retry_after:g}"
    return headers
