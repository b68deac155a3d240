"""Which tool wrote a file, and traces from it."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fingerprints.capture import Capture, Recording, named_by
from fingerprints.trace import Conditions, Exchange, Origin, Trace
from replay.interchange import cassette, flows, har
from replay.interchange.errors import InterchangeError

type Format = Literal["har", "vcr", "flow"]


@dataclass(frozen=True, slots=True)
class Labels:
    """What a file of another tool does not say.

    Attributes:
        client, release: "" takes them from the first user agent.
        hosts: only requests to these; all when empty.
    """

    client: str = ""
    release: str = ""
    scenario: str = ""
    hosts: Sequence[str] = ()


def format_of(file: Path, head: bytes) -> Format:
    """The format, by content; by name where that leaves it open.

    Raises:
        InterchangeError: it is none of the known ones.
    """
    start = head.lstrip()[:4096]
    if re.match(rb"[0-9]{1,12}:", start):
        return "flow"  # a tnetstring
    if start.startswith(b"{"):
        known = (b'"log"' in start, b'"interactions"' in start)
        if known == (True, False) or file.suffix == ".har":
            return "har"
        if known == (False, True):
            return "vcr"
    if re.search(rb'^["\']?interactions["\']?\s*:', start, re.M):
        return "vcr"
    raise InterchangeError(
        "neither a mitmproxy flow file, nor a HAR, nor a vcrpy cassette. "
        "Save it again with one of these tools"
    )


def load(file: Path, labels: Labels) -> Trace:
    """One trace of all that is in a file.

    Raises:
        InterchangeError: it cannot be read, or nothing is left of it.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InterchangeError(f"cannot be read: {error.strerror}") from error
    match format_of(file, content[:8192]):
        case "flow":
            trace = flows.read(file)
        case "har":
            trace = _built(har.read(content), "HAR import")
        case "vcr":
            trace = _built(cassette.read(content), "vcrpy import")
    exchanges = [each for each in trace.exchanges if _wanted(each, labels.hosts)]
    if not exchanges:
        hosts = sorted({each.authority for each in trace.exchanges})
        raise InterchangeError(f"no request is left; hosts in it: {', '.join(hosts) or 'none'}")
    return _labelled(trace, exchanges, labels)


def _wanted(exchange: Exchange, hosts: Sequence[str]) -> bool:
    name = exchange.authority.rpartition(":")[0] or exchange.authority
    return not hosts or exchange.authority in hosts or name in hosts


def _built(recordings: Sequence[Recording], tool: str) -> Trace:
    first = min((each.at for each in recordings), default=0.0)
    today = datetime.now(UTC) if first < 1e6 else datetime.fromtimestamp(first, UTC)
    system = f"{platform.system()} {platform.machine()}".lower()
    origin = Origin(tool=tool, on=today.date().isoformat(), system=system)
    capture = Capture(client="unknown", origin=origin)
    for recording in recordings:
        capture.add(recording)
    return capture.trace()


def _labelled(trace: Trace, exchanges: Sequence[Exchange], labels: Labels) -> Trace:
    agents = (each.header("user-agent") for each in exchanges)
    client, release = named_by(next((agent for agent in agents if agent), ""))
    upgraded = any(each.is_upgrade and each.messages for each in exchanges)
    new = any(each.http_version != "HTTP/1.1" for each in exchanges)
    conditions = Conditions(
        transport="websocket" if upgraded else "http", http="HTTP/2.0" if new else "HTTP/1.1"
    )
    if labels.client and not re.fullmatch(r"[a-z][a-z0-9-]*", labels.client):
        raise InterchangeError(f"{labels.client!r} is no client's name: a-z, then a-z, 0-9 or -")
    numbers = {each.number: index for index, each in enumerate(exchanges, 1)}
    kept = [
        each.model_copy(
            update={
                "number": numbers[each.number],
                "of": None if each.of is None else numbers.get(each.of),
            }
        )
        for each in exchanges
    ]
    return Trace(
        client=labels.client or client,
        release=labels.release or ("" if labels.client else release),
        scenario=labels.scenario or "import",
        conditions=conditions,
        origin=trace.origin,
        exchanges=tuple(kept),
    )
