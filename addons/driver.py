"""Who decides about a flow: the contract between ``stream.py`` and the gateway.

``stream.py`` moves bytes and asks; a :class:`Driver` answers. Nothing in here knows mitmproxy's
layers, only its flows.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from mitmproxy import http

from addons.production import Production
from addons.providers.contract import Ended


class Origin(tuple[str, int]):
    """A server address that is equal only within one lane and one choice of protocol."""

    lane: str
    http2: bool

    def __new__(cls, host: str, port: int, lane: str, *, http2: bool) -> Origin:
        origin = super().__new__(cls, (host, port))
        origin.lane = lane
        origin.http2 = http2
        return origin

    def __getnewargs_ex__(self) -> tuple[tuple[str, int, str], dict[str, bool]]:
        return (*self, self.lane), {"http2": self.http2}  # whoever copies an address

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Origin)
            and tuple(self) == tuple(other)
            and (self.lane, self.http2) == (other.lane, other.http2)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((*self, self.lane, self.http2))


class Step(Enum):
    """What to do with an upstream answer that the client has not seen."""

    COMMIT = "commit"
    HOLD = "hold"
    REPLAN = "replan"


class Driver(Protocol):
    """Decides for one flow. Its methods never raise.

    Attributes:
        hold_bytes: most bytes of an answer that are held back for a verdict.
        hold_seconds: longest wait for it after the answer's headers.
        header_seconds: longest wait for a connection, and again for the answer's headers.
        max_request_bytes: a larger request body is refused.
        lane: of the next attempt; attempts in different lanes share no upstream connection.
        http2: offer ``h2`` for the next attempt. False for WebSocket upgrades.
        production: a body to stream instead of ``flow.response``'s own.
        extensions: ``sec-websocket-extensions`` as agreed with the client, and with the upstream.
    """

    hold_bytes: int
    hold_seconds: float
    header_seconds: float
    max_request_bytes: int
    lane: str
    http2: bool
    production: Production | None
    extensions: tuple[str, str]

    def judge(self, ended: Ended, body: list[bytes], error: str) -> Step:
        """Look at ``flow.response`` (None: no headers came) and the body so far.

        ``HOLD`` counts only while ``ended`` is OPEN, ``COMMIT`` only when there is a response.
        """

    async def replan(self, replan: Replan) -> None:
        """Set ``flow.response`` (to be given), or ``flow.request`` (to be sent) and it to None.

        Also called when an answer breaks off that was committed to be collected whole (see
        ``flow.response.stream``): the client has seen nothing of it.
        """

    def cut_short(self, message: str) -> bytes:
        """Last bytes for a client whose stream breaks: an error event of its protocol, or none."""

    def refuse_body(self) -> None:
        """The client's body is too large: set ``flow.response``."""

    def leave(self) -> None:
        """The client has left: what is being planned for it is not wanted any more.

        Called at once, also while a hook runs; there may be nothing to end.
        """


@dataclass(eq=False)
class Replan:
    """An answer that is not given, and the wait for what comes instead."""

    flow: http.HTTPFlow
    driver: Driver
    body: bytes
    ended: Ended
    error: str = ""


_DRIVER = "floway_driver"
"""Attribute of a flow. (A weak dictionary would keep a flow that its driver knows for ever.)"""

_origin_form: weakref.WeakSet[http.HTTPFlow] = weakref.WeakSet()


def is_origin_form(flow: http.HTTPFlow) -> bool:
    """Whether the client spoke to this port as to a server, not as to a proxy."""
    return flow in _origin_form


def drive(flow: http.HTTPFlow, driver: Driver) -> None:
    """From now on ``driver`` decides about ``flow``. To be called in its ``requestheaders``.

    The request's body is kept for further attempts, so ``flow.request.stream`` stays off.
    """
    vars(flow)[_DRIVER] = driver


def release(flow: http.HTTPFlow) -> None:
    """Nobody decides about ``flow`` any more, which is sent again as it is (a replay)."""
    vars(flow).pop(_DRIVER, None)


def driver_of(flow: http.HTTPFlow) -> Driver | None:
    """Who decides about ``flow``; None for traffic that floway leaves alone."""
    found: Driver | None = vars(flow).get(_DRIVER)
    return found


def mark_origin_form(flow: http.HTTPFlow) -> None:
    """Remember that the request line named no host."""
    _origin_form.add(flow)
