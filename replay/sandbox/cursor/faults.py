"""Faults of agent runs, as data."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from addons.providers.cursor.proto.aiserver_pb2 import ErrorCode
from replay.sandbox.cursor.failures import FAILURES, STATUS, Failure
from replay.sandbox.fault_base import FaultBase, Inside

type AgentPlace = Inside | Literal["awaiting_tools", "after_tools", "after_turn"]
"""As in every answer; also while a run waits for tools, when they have answered, at its end."""


class AgentFault(FaultBase):
    """Ends or holds up a run of Cursor's agent: an error by name or by code, a reset, a GOAWAY …

    Attributes:
        how: ``error`` (in the stream's end), ``reset`` (RST_STREAM, or TCP RST over HTTP/1.1),
            ``goaway`` (HTTP/2 only; a reset over HTTP/1.1), ``close`` (an end without the message
            that says so), ``stall`` (says nothing for some seconds), ``windows`` (HTTP/2: the
            client may from now on send only ``window`` bytes ahead), ``abort`` (takes
            back what the client is to carry out), ``poison`` (this run and every
            later one under its conversation id fail without a reason, whatever ``at`` says).
        preset: of ``error``, see :data:`replay.sandbox.cursor.failures.FAILURES`.
        code, message, error: of ``error`` without a preset; ``error`` is an ``ErrorCode``.
        number: error code of HTTP/2.
        heartbeats: go on during a stall.
    """

    kind: Literal["agent"]
    how: Literal["error", "reset", "goaway", "close", "stall", "windows", "abort", "poison"] = (
        "error"
    )
    preset: str = ""
    code: str = "internal"
    message: str = ""
    error: str = ""
    number: int = Field(default=2, ge=0, le=13)
    seconds: float = Field(default=0.0, ge=0, le=3600)
    heartbeats: bool = True
    window: int = Field(default=16384, ge=0, le=2**31 - 1)
    at: AgentPlace = "before_output"
    phases: ClassVar[frozenset[str]] = frozenset({"agent"})

    @field_validator("preset")
    @classmethod
    def _named(cls, value: str) -> str:
        if value and value not in FAILURES:
            raise ValueError(f"unknown preset {value!r}; there are: {', '.join(sorted(FAILURES))}")
        return value

    @field_validator("code")
    @classmethod
    def _connect_code(cls, value: str) -> str:
        if value not in STATUS:
            raise ValueError(f"unknown code {value!r}; there are: {', '.join(STATUS)}")
        return value

    @field_validator("error")
    @classmethod
    def _error_code(cls, value: str) -> str:
        if value and f"ERROR_{value}" not in ErrorCode.keys():  # noqa: SIM118  # no mapping
            raise ValueError(f"unknown error {value!r}; it is an ErrorCode without ERROR_")
        return value

    @property
    def failure(self) -> Failure:
        found = FAILURES.get(self.preset) or Failure(self.code, error=self.error)
        return replace(found, message=self.message or found.message)
