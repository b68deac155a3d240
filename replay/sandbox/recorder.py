"""What the sandbox received, raw, for ``/_sandbox/requests``. Bounded in entries and in bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from replay.sandbox.messages import Request

FRAMES_KEPT = 500
"""Frames of one WebSocket or run, both directions together; the newest are kept."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One WebSocket message, or one of an agent's run.

    Attributes:
        data: cut where the byte budget of its entry ends.
        decode: shows bytes as JSON, when they are asked for.
    """

    sender: str
    time: float
    data: str | bytes
    length: int
    decode: Callable[[bytes], Any] | None = None

    def json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"from": self.sender, "time": self.time, "length": self.length}
        if isinstance(self.data, bytes):
            shown["base64"] = base64.b64encode(self.data).decode()
            if self.decode is not None and len(self.data) == self.length:
                shown["message"] = self.decode(self.data)
            return shown
        shown["text"] = self.data
        decoded = _decoded(self.data.encode("utf-8", "surrogatepass"))
        if decoded is not None:
            shown["json"] = decoded
        return shown


@dataclass(slots=True, eq=False)
class Entry:
    """One recorded request.

    Attributes:
        decoded: the body without its content coding.
        account: label; empty where the request named none.
        fault: the fault applied, as JSON.
        gate: what the gate objected to.
        notes: observations that refuse nothing, e.g. a turn state of another account.
        status: of the answer; None while there is none, or when it was reset before its head.
    """

    number: int
    request: Request
    time: float
    body_length: int = 0
    kept_body: bytes = b""
    decoded: bytes = b""
    transport: str = "http"
    account: str = ""
    model: str = ""
    fault: Any = None
    gate: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    status: int | None = None
    usage: dict[str, Any] | None = None
    frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=FRAMES_KEPT))
    frames_seen: int = 0
    kept: int = 0
    forgotten: bool = False

    def json(self, *, bodies: bool = True) -> dict[str, Any]:
        request = self.request
        shown: dict[str, Any] = {
            "id": self.number,
            "time": self.time,
            "connection": request.connection,
            "transport": self.transport,
            "secure": request.secure,
            "alpn": request.alpn,
            "http_version": request.http_version,
            "request_line": request.request_line.decode("latin-1"),
            "pseudo_headers": _pairs(request.pseudo_headers),
            "method": request.method,
            "target": request.target,
            "path": request.path,
            "headers": _pairs(request.headers),
            "body_length": self.body_length,
            "account": self.account,
            "model": self.model,
            "fault": self.fault,
            "gate": self.gate,
            "notes": self.notes,
            "status": self.status,
            "usage": self.usage,
        }
        if bodies:
            shown["body_base64"] = base64.b64encode(self.kept_body).decode()
            shown["body_json"] = _decoded(self.decoded or self.kept_body)
        if self.transport != "http":
            shown["frames_seen"] = self.frames_seen
            shown["frames"] = [frame.json() for frame in self.frames] if bodies else []
        return shown


class Recorder:
    """The last requests.

    Args:
        entries: requests kept at most.
        budget: bytes of bodies and frames kept at most; the oldest entries give theirs up first.
    """

    def __init__(self, entries: int, budget: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=max(1, entries))
        self._budget = budget
        self._share = max(1, budget // 4)
        self._kept = 0
        self._count = 0

    def begin(self, request: Request) -> Entry:
        """Record a request that was just received."""
        self._count += 1
        if len(self._entries) == self._entries.maxlen:
            self._release(self._entries[0], self._entries[0].kept)
            self._entries[0].forgotten = True
        size = len(request.body)
        entry = Entry(
            self._count,
            replace(request, body=b""),  # the recorder's bytes are those of kept_body
            time.time(),
            body_length=size,
            kept_body=request.body,
        )
        if request.upgrade:
            entry.transport = "websocket"
        self._entries.append(entry)
        if size > self._share:
            digest = hashlib.sha256(request.body).hexdigest()
            entry.notes.append(f"body of {size} bytes, sha256 {digest}, cut")
            entry.kept_body = request.body[: self._share]
        self._keep(entry, len(entry.kept_body))
        return entry

    def decoded(self, entry: Entry, body: bytes) -> None:
        """Keep the decoded body of a compressed request as well."""
        if not entry.forgotten and len(body) <= self._share:
            entry.decoded = body
            self._keep(entry, len(body))

    def frame(
        self,
        entry: Entry,
        sender: str,
        data: str | bytes,
        decode: Callable[[bytes], Any] | None = None,
    ) -> None:
        """Record one message; ``sender`` is ``client`` or ``server``."""
        if entry.forgotten:
            return
        length = len(data)
        room = max(0, self._share - entry.kept)
        if len(entry.frames) == entry.frames.maxlen:
            self._release(entry, len(entry.frames[0].data))
        kept = data if length <= room else data[:room]
        entry.frames.append(Frame(sender, time.time(), kept, length, decode))
        entry.frames_seen += 1
        self._keep(entry, len(kept))

    def _keep(self, entry: Entry, size: int) -> None:
        entry.kept += size
        self._kept += size
        for old in self._entries:
            if self._kept <= self._budget:
                return
            if old is not entry and old.kept:
                self._drop(old)

    def _release(self, entry: Entry, size: int) -> None:
        entry.kept -= size
        self._kept -= size

    def _drop(self, entry: Entry) -> None:
        self._release(entry, entry.kept)
        entry.kept_body = entry.decoded = b""
        entry.frames.clear()
        entry.notes.append("body dropped: the recorder's byte budget was used up")

    def clear(self) -> None:
        for entry in self._entries:
            entry.forgotten = True
        self._entries.clear()
        self._kept = 0

    def entries(self) -> list[Entry]:
        """Oldest first."""
        return list(self._entries)


def _pairs(headers: list[tuple[bytes, bytes]]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("utf-8", "replace")] for name, value in headers]


def _decoded(body: bytes) -> Any:
    if body[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
