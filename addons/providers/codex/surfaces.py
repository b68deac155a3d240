"""Where a caller says who it is: dedicated headers, ``client_metadata``, the turn-metadata JSON.

Pure. Reading order (codex-wire.md §6.2, §6.4, §9 no. 1): headers, ``client_metadata``, metadata
over HTTP; over WebSocket the message comes first, because the headers belong to the handshake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from addons.providers.codex import ids

type Json = dict[str, Any]

METADATA = "x-codex-turn-metadata"
TURN_STATE = "x-codex-turn-state"
WINDOW = "x-codex-window-id"
INSTALLATION = "x-codex-installation-id"
ORIGINATOR = "originator"
PARENT_THREAD = "x-codex-parent-thread-id"
SUBAGENT = "x-openai-subagent"

MAX_METADATA = 64 * 1024
"""Longest turn-metadata text that is read, in characters."""

MAX_TURN_STATE = 8 * 1024

METADATA_IDENTITY = frozenset(
    {
        "installation_id",
        "session_id",
        "thread_id",
        "turn_id",
        "window_id",
        "window_number",
        "context_window_id",
        "request_kind",
        "root_turn_id",
        "parent_turn_id",
        "parent_thread_id",
        "turn_started_at_unix_ms",
    }
)
"""Members of the turn metadata that are resolved, not passed on."""

CLIENT_METADATA_IDENTITY = frozenset(
    {
        "session_id",
        "thread_id",
        "turn_id",
        "root_turn_id",
        "parent_turn_id",
        METADATA,
        TURN_STATE,
        WINDOW,
        INSTALLATION,
        PARENT_THREAD,
        SUBAGENT,
    }
)
"""Members of ``client_metadata`` that are resolved, not passed on."""


class Surfaces:
    """All places of one request that may name a field.

    Attributes:
        headers: first value by lower-case name.
        frame: this is a WebSocket message, not a handshake or an HTTP request.
        notes: what was ignored and why.
    """

    def __init__(
        self, headers: Sequence[tuple[bytes, bytes]], body: Json, *, websocket: bool
    ) -> None:
        self.notes: list[str] = []
        self.headers: dict[str, str] = {}
        for name, value in headers:
            key = name.decode("latin-1").lower()
            self.headers.setdefault(key, value.decode("utf-8", "replace"))
        self.frame = websocket and bool(body)
        self.client_metadata = self._object(body.get("client_metadata"), "client_metadata")
        text = self.client_metadata.get(METADATA)
        self._copies = [
            ("body", self._parsed(text, f"client_metadata.{METADATA}")),
            ("header", self._parsed(self.headers.get(METADATA), f"header {METADATA}")),
        ]
        if not self.frame:
            self._copies.reverse()

    def values(
        self,
        *,
        headers: Sequence[str] = (),
        member: str = "",
        key: str = "",
        handshake: bool = True,
    ) -> Iterator[tuple[str, str]]:
        """(source, value) of every surface that names a field, best first.

        Args:
            headers: dedicated headers, best first.
            member: of ``client_metadata``.
            key: of the turn metadata.
            handshake: what the handshake said counts for a message too.
        """
        dedicated = [(f"header {n}", self.headers[n]) for n in headers if n in self.headers]
        own: list[tuple[str, Any]] = []
        if member and member in self.client_metadata:
            own.append((f"client_metadata.{member}", self.client_metadata[member]))
        copies = self._copies if key else []
        if self.frame and not handshake:
            dedicated, copies = [], copies[:1]
        inside = [
            (f"{place} turn metadata {key}", copy[key]) for place, copy in copies if key in copy
        ]
        candidates = [*own, *inside, *dedicated] if self.frame else [*dedicated, *own, *inside]
        for source, value in candidates:
            if value is None or value == "":
                continue
            if isinstance(value, str) and ids.usable(value.strip()):
                yield source, value.strip()
            else:
                self.notes.append(f"{source} is not 1 to 256 printable characters; ignored")

    def turn_state(self) -> str | None:
        """The caller's opaque turn state; over WebSocket only the message carries it (§1.7)."""
        given = self.client_metadata.get(TURN_STATE)
        if not self.frame:
            given = self.headers.get(TURN_STATE) or given
        if not isinstance(given, str) or not given:
            return None
        if len(given) > MAX_TURN_STATE or not given.isascii() or not given.isprintable():
            self.notes.append(f"{TURN_STATE} is not a header value of at most 8 KiB; ignored")
            return None
        return given

    def turn_started_ms(self) -> int | None:
        """When the caller says that its turn began, in unix milliseconds (13 digits)."""
        for _, copy in self._copies[:1] if self.frame else self._copies:
            given = copy.get("turn_started_at_unix_ms")
            if given is None:
                continue
            if isinstance(given, int) and 10**12 <= given < 10**13:
                return given
            self.notes.append("turn_started_at_unix_ms is not a time in milliseconds; ignored")
        return None

    def extra_metadata(self) -> Json:
        """Members of the caller's turn metadata that are not identity."""
        extras: Json = {}
        for _, copy in self._copies[:1] if self.frame else self._copies:
            for key, value in copy.items():
                if key not in METADATA_IDENTITY:
                    extras.setdefault(key, value)
        return extras

    def extra_client_metadata(self) -> dict[str, str]:
        """Members of the caller's ``client_metadata`` that are not identity; all are strings."""
        extras: dict[str, str] = {}
        for name, value in self.client_metadata.items():
            if name in CLIENT_METADATA_IDENTITY:
                continue
            if isinstance(value, str):
                extras[name] = value
            else:
                self.notes.append(f"client_metadata.{name} is not a string; ignored")
        return extras

    def _object(self, value: Any, name: str) -> Json:
        if value is None or isinstance(value, dict):
            return value or {}
        self.notes.append(f"{name} is not an object and was ignored")
        return {}

    def _parsed(self, text: Any, name: str) -> Json:
        if text is None:
            return {}
        if not isinstance(text, str) or len(text) > MAX_METADATA:
            self.notes.append(f"{name} is not a JSON text of at most 64 KiB and was ignored")
            return {}
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            self.notes.append(f"{name} is malformed JSON and was ignored")
            return {}
        return self._object(value, name)
