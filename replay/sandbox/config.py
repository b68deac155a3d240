"""Settings of a sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from replay.sandbox.connections import WINDOW


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """A made-up account, as configured.

    Attributes:
        label: short name, used in ``/_sandbox/`` and as the local part of the e-mail address.
        plan: ``plus``, ``pro``, ``team``, ``free`` …
        account_id: UUID text; derived from the label when empty, so that it is the same in every
            start and an ``auth.json`` written yesterday still works.
    """

    label: str
    plan: str = "plus"
    account_id: str = ""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What a sandbox is made of.

    Attributes:
        home: directory for the certificate authority and the certificate; made when missing.
        host: address of both listeners; a loopback address, since the accounts are made up.
        port: plain HTTP/1.1 listener; 0 takes a free port.
        tls_port: TLS listener (ALPN ``h2`` and ``http/1.1``); 0 takes a free port, None has none.
        accounts: how many made-up accounts, or the accounts themselves.
        gate: ``off``, ``newest``, ``claimed`` or a fingerprint profile
            (:func:`replay.sandbox.gate.make_gate`); requests to the ChatGPT paths that do not
            match it are answered 403.
        requests_kept: how many requests ``/_sandbox/requests`` remembers.
        bytes_kept: and how many bytes of bodies and frames at most, over all of them.
        max_body: bytes of a request body, before and after its content coding is undone.
        events_per_write: SSE events that are put into one write; 0 writes an answer at once.
        deflate: accept ``permessage-deflate`` when a WebSocket client offers it.
        cache_blocks: how many 128-token blocks the prompt-cache model remembers.
        cache_ttl: seconds after which an unused block is forgotten.
        window: bytes that an HTTP/2 client may send ahead on a stream, and on a connection (where
            it is at least 65,535).
        token_lifetime: seconds for which an access token is good.
        device_interval: seconds between two polls of a device that waits for its approval.
        lenient: take every model and every member of a model request, and list no models, so that
            a client of any release works with its own catalogue; for recording clients.
        cursor_accounts: how many made-up accounts of Cursor, or their labels.
        cursor_heartbeat: seconds between two heartbeats of a run that has nothing to say.
        clock: unix time in seconds; replaced by tests.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int | None = 0
    accounts: int | Sequence[AccountSpec] = 3
    gate: str = "newest"
    requests_kept: int = 200
    bytes_kept: int = 64 * 1024 * 1024
    max_body: int = 128 * 1024 * 1024
    events_per_write: int = 0
    deflate: bool = False
    cache_blocks: int = 200_000
    cache_ttl: float = 600.0
    window: int = WINDOW
    token_lifetime: float = 10 * 24 * 3600.0
    device_interval: float = 1.0
    lenient: bool = False
    cursor_accounts: int | Sequence[str] = 3
    cursor_heartbeat: float = 5.0
    clock: Callable[[], float] = field(default=time.time)
