"""Whole traces compared with a profile: every request, upgrade and WebSocket message.

A WebSocket is checked as one: its upgrade, then each message of the client, which must agree with
the upgrade's stable roles, and the order of the messages. The profile says what begins a
connection where the upgrade shares a constant with one kind of message only (the metadata of the
handshake belongs to the prewarm).

Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fingerprints.check import Recognised, check_frame, inspect
from fingerprints.difference import Change, Difference, Layer
from fingerprints.matchers import Const
from fingerprints.observed import Observed, by_marks, read_body
from fingerprints.profile import Form, Profile
from fingerprints.trace import Exchange, Trace
from fingerprints.trace_view import frames, observed
from fingerprints.variant import Variant


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that the client sent, and what is wrong with it.

    Attributes:
        exchange: where it belongs.
        message: which of the client's messages on a WebSocket, from 1; None for a request.
        request: as the checker saw it; None for a message.
        text: the message, "" for a request.
        variant: what it was taken for; None when the profile does not have it.
        differences: all of them.
        nearest: for an unknown request: the profile's request that it resembles most, in words.
        apart: … and what keeps them apart: field, the profile's value, the value seen.
    """

    exchange: Exchange
    message: int | None
    request: Observed | None
    text: str
    variant: Variant | None
    differences: tuple[Difference, ...]
    nearest: str = ""
    apart: tuple[tuple[str, str, str], ...] = ()

    @property
    def name(self) -> str:
        """``3``, or ``3.1`` for the first message of exchange 3."""
        number = str(self.exchange.number)
        return number if self.message is None else f"{number}.{self.message}"


def check_trace(profile: Profile, trace: Trace) -> Iterator[Checked]:
    """All that reached the upstream, in order, each upgrade with its messages.

    A request that the profile does not have, to a host that it does not know, is left aside.
    """
    for exchange in trace.upstream():
        if exchange.method != "CONNECT":
            yield from check_exchange(profile, exchange)


def check_exchange(profile: Profile, exchange: Exchange) -> Iterator[Checked]:
    """A request, or an upgrade with its messages."""
    request = observed(exchange)
    found, differences = inspect(profile, request)
    if found is None and profile.hosts and exchange.host not in profile.hosts:
        return
    nearest, apart = ("", ()) if found is not None else nearest_form(profile, request)
    yield Checked(
        exchange,
        None,
        request,
        "",
        _variant(found, request),
        tuple(differences),
        nearest,
        apart,
    )
    if exchange.is_upgrade:
        yield from _messages(profile, exchange, found)


def _messages(
    profile: Profile, exchange: Exchange, upgrade: Recognised | None
) -> Iterator[Checked]:
    first = beginning(profile, upgrade.kind) if upgrade is not None else None
    known: Mapping[str, str] = upgrade.stable if upgrade is not None else {}
    sign_in = upgrade.sign_in if upgrade is not None else None
    for number, text in enumerate(frames(exchange), 1):
        kind = frame_kind(profile, text)
        found = check_frame(profile, text, kind=kind, sign_in=sign_in, known=known)
        if first is not None and (kind == first[0]) != (number == 1):
            found.append(_out_of_place(kind or "unknown", number, *first))
        variant = None
        if kind is not None:
            shape = next(iter(profile.shapes))
            variant = Variant(kind, "websocket", shape, sign_in or "chatgpt")
            variant = _shaped(profile, variant, text)
        yield Checked(exchange, number, None, text, variant, tuple(found))


def _out_of_place(kind: str, number: int, first: str, rule: str) -> Difference:
    if number == 1:
        return Difference(
            Layer.FRAME_SEQUENCE, "message 1", Change.REMOVED, f"a {first} first", kind, rule
        )
    return Difference(
        Layer.FRAME_SEQUENCE,
        f"message {number}",
        Change.MOVED,
        f"{first} as the first message only",
        f"{kind} as message {number}",
        rule,
    )


def beginning(profile: Profile, upgrade: str) -> tuple[str, str] | None:
    """The kind of message that begins a connection, and the entry that says so.

    Args:
        upgrade: the kind of the request that opens it.
    """
    kinds = {kind for kind, form in _frame_forms(profile)}
    for name, document in profile.documents.items():
        for entry in document.members:
            shared = kinds & set(entry.when.kind)
            if isinstance(entry.value, Const) and upgrade in entry.when.kind and len(shared) == 1:
                others = {
                    kind
                    for other in document.members
                    if other.name == entry.name and other is not entry
                    for kind in other.when.kind
                }
                if shared | others >= kinds:
                    rule = f"documents.{name} {entry.name}: of {upgrade} and {min(shared)} alike"
                    return min(shared), rule
    return None


def frame_kind(profile: Profile, text: str) -> str | None:
    """Kind of a client's WebSocket message, None where the profile has none."""
    forms = _frame_forms(profile)
    if not forms:
        return None
    data = read_body(text.encode("utf-8", "surrogatepass")).data
    return by_marks(forms, (), data)


def _frame_forms(profile: Profile) -> list[tuple[str, Form]]:
    return [
        (kind, forms["websocket"])
        for kind, forms in profile.requests.items()
        if "websocket" in forms and forms["websocket"].method is None
    ]


def _variant(found: Recognised | None, request: Observed) -> Variant | None:
    if found is None:
        return None
    http = "HTTP/1.1" if request.http_version == "HTTP/1.1" else "HTTP/2.0"
    return Variant(found.kind, found.transport, found.shape, found.sign_in, http)  # type: ignore[arg-type]


def _shaped(profile: Profile, variant: Variant, text: str) -> Variant:
    data = read_body(text.encode("utf-8", "surrogatepass")).data
    model = data.get("model") if isinstance(data, dict) else None
    shape = profile.shape(model) if isinstance(model, str) else variant.shape
    return Variant(variant.kind, variant.transport, shape, variant.sign_in)


def nearest_form(
    profile: Profile, request: Observed
) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """The profile's request that an unknown one resembles most, and what keeps them apart."""
    best: tuple[int, str, tuple[tuple[str, str, str], ...]] | None = None
    seen = {
        "method": request.method,
        "path": request.path.partition("?")[0],
        "transport": request.over,
    }
    for kind, forms in profile.requests.items():
        for transport, form in forms.items():
            paths = sorted({path for group in form.path.values() for path in group})
            for path in paths if form.method else ():
                plain = path.partition("?")[0].replace("{version}", profile.release)
                wanted = {"method": str(form.method), "path": plain, "transport": transport}
                apart = tuple(
                    (name, value, seen[name])
                    for name, value in wanted.items()
                    if value != seen[name]
                )
                distance = 10 * len(apart) + _unlike(plain, seen["path"])
                if best is None or distance < best[0]:
                    best = (distance, f"{kind} ({form.method} {path} over {transport})", apart)
    return (best[1], best[2]) if best is not None else ("", ())


def _unlike(one: str, other: str) -> int:
    """How many parts of two paths differ, at most 9."""
    ours, theirs = set(one.split("/")), set(other.split("/"))
    return min(9, len(ours ^ theirs))


def summed(checked: Sequence[Checked]) -> dict[Layer, int]:
    """Differences by layer."""
    out: dict[Layer, int] = {}
    for each in checked:
        for difference in each.differences:
            out[difference.layer] = out.get(difference.layer, 0) + 1
    return out
