"""The checker, checked: every field of a good request is changed, one at a time.

Each mutant must be caught, or a rule of the profile must excuse it (:mod:`fingerprints.excuses`);
what survives without a rule is a hole in the checker. Mutated are the request line, headers (set,
order, case, values), members and items at every depth, JSON texts (in all their places alike, so
that the equality of the copies does not catch what the rules should), encoding, and the order of
messages on a WebSocket.

Pure: no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fingerprints.changes import Change, data_changes, encoding_changes, header_changes
from fingerprints.check import check_frame, check_request, inspect
from fingerprints.difference import Difference
from fingerprints.excuses import Excuses
from fingerprints.profile import Profile
from fingerprints.trace import Exchange, Payload, Trace
from fingerprints.trace_check import Checked, beginning, check_exchange, frame_kind
from fingerprints.trace_view import observed, written


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one request.

    Attributes:
        request: which request of the trace, ``3`` or ``3.1``.
        operation: ``drop``, ``rename``, ``duplicate``, ``move``, ``re-case``, ``re-type``,
            ``change``, ``corrupt``, ``encoding``, ``line``, ``sequence``.
        path: what was changed.
        caught: the checker found it.
        rule: for one that was not caught: the rule that excuses it; "" when none does.
    """

    request: str
    operation: str
    path: str
    caught: bool
    rule: str = ""

    @property
    def survived(self) -> bool:
        return not self.caught and not self.rule


@dataclass(slots=True)
class Score:
    """Mutants counted."""

    total: int = 0
    caught: int = 0
    excused: Counter[str] = field(default_factory=Counter)
    survived: list[Mutant] = field(default_factory=list)
    by_operation: dict[str, list[int]] = field(default_factory=dict)

    def add(self, mutant: Mutant) -> None:
        self.total += 1
        counts = self.by_operation.setdefault(mutant.operation, [0, 0, 0])
        if mutant.caught:
            self.caught += 1
            counts[0] += 1
        elif mutant.rule:
            self.excused[mutant.rule] += 1
            counts[1] += 1
        else:
            self.survived.append(mutant)
            counts[2] += 1


def score(mutants: Iterable[Mutant]) -> Score:
    """All mutants counted."""
    out = Score()
    for mutant in mutants:
        out.add(mutant)
    return out


def trace_mutants(profile: Profile, trace: Trace) -> Iterator[Mutant]:
    """The mutants of everything in a trace that the profile has nothing to say against."""
    for exchange in trace.upstream():
        if exchange.method != "CONNECT":
            yield from exchange_mutants(profile, exchange)


def exchange_mutants(profile: Profile, exchange: Exchange) -> Iterator[Mutant]:
    """The mutants of a request, or of an upgrade and its messages."""
    checked = list(check_exchange(profile, exchange))
    if not checked or checked[0].variant is None:
        return
    request = checked[0]
    if not request.differences:
        yield from _Request(profile, request).mutants()
    known: dict[str, str] = {}
    if exchange.is_upgrade and request.request is not None:
        recognised, _ = inspect(profile, request.request)
        known = recognised.stable if recognised is not None else {}
    payloads = [message.payload for message in exchange.sent()]
    for each, payload in zip(checked[1:], payloads, strict=True):
        if each.variant is not None and not each.differences:
            yield from _Message(profile, each, payload, known).mutants()
    yield from _sequence(profile, exchange, checked)


class _Subject:
    """A request whose fields are changed."""

    def __init__(
        self,
        profile: Profile,
        checked: Checked,
        payload: Payload | None,
        headers: Sequence[tuple[str, str]],
        known: dict[str, str],
    ) -> None:
        assert checked.variant is not None
        self.profile = profile
        self.name = checked.name
        self.payload = payload
        self.headers = list(headers)
        self.data = payload.data if payload is not None and payload.form == "json" else None
        self._excuses = Excuses(profile, checked.variant, headers, self.data, known)

    def judge(self, change: Change) -> list[Difference]:
        """What the checker says of the changed request."""
        raise NotImplementedError

    def changes(self) -> Iterator[Change]:
        """All changes of it."""
        described = self._excuses.places
        yield from data_changes(self.headers, self.payload, described)
        if self.payload is not None:
            yield from encoding_changes(self.payload)

    def mutants(self) -> Iterator[Mutant]:
        for change in self.changes():
            caught = bool(self.judge(change))
            rule = ""
            if not caught:
                headers = self.headers if change.headers is None else change.headers
                data = self.data if change.payload is None else change.payload.data
                rule = self._excuses.rule(
                    change.operation, change.keys, headers, data, change.crossed
                )
            yield Mutant(self.name, change.operation, change.path, caught, rule)


class _Request(_Subject):
    def __init__(self, profile: Profile, checked: Checked) -> None:
        exchange = checked.exchange
        super().__init__(profile, checked, exchange.body, exchange.headers, {})
        self._exchange = exchange
        self._observed = observed(exchange)

    def judge(self, change: Change) -> list[Difference]:
        if change.payload is not None:
            body = {"body": change.payload}
            headers = {} if change.headers is None else {"headers": tuple(change.headers)}
            seen = observed(self._exchange.model_copy(update={**body, **headers}))
        elif change.headers is not None:
            seen = replace(self._observed, headers=change.headers)
        else:
            seen = self._observed
        if change.line:
            seen = replace(seen, **change.line)
        return check_request(self.profile, seen)

    def changes(self) -> Iterator[Change]:
        yield from header_changes(self._observed.headers)
        yield from self._line_changes()
        yield from super().changes()

    def _line_changes(self) -> Iterator[Change]:
        seen = self._observed
        other = "HTTP/1.1" if seen.http_version == "HTTP/2.0" else "HTTP/2.0"
        lines: list[tuple[str, Any]] = [
            ("method", "PUT"),
            ("http_version", other),
            ("http_version", "HTTP/1.0"),
            ("path", f"{seen.path}x"),
            ("path", f"{seen.path}{'&' if '?' in seen.path else '?'}x=1"),
        ]
        if "?" in seen.path:
            lines.append(("path", seen.path.partition("?")[0]))
        for name, value in lines:
            yield Change("line", name, ("line", name), line={name: value})

    def mutants(self) -> Iterator[Mutant]:
        form = self.profile.requests
        for mutant in super().mutants():
            if mutant.operation == "line" and not mutant.caught:
                versions = {
                    v for forms in form.values() for each in forms.values() for v in each.http
                }
                rule = f"requests: http {', '.join(sorted(versions))}"
                yield replace(mutant, rule=rule if mutant.path == "http_version" else "")
            else:
                yield mutant


class _Message(_Subject):
    def __init__(
        self, profile: Profile, checked: Checked, payload: Payload, known: dict[str, str]
    ) -> None:
        assert checked.variant is not None
        super().__init__(profile, checked, payload, (), known)
        self._sign_in = checked.variant.sign_in
        self._known = known

    def judge(self, change: Change) -> list[Difference]:
        payload = change.payload or self.payload
        assert payload is not None
        text = written(payload).decode("utf-8", "surrogatepass")
        kind = frame_kind(self.profile, text)
        return check_frame(self.profile, text, kind=kind, sign_in=self._sign_in, known=self._known)


def _sequence(profile: Profile, exchange: Exchange, checked: Sequence[Checked]) -> Iterator[Mutant]:
    """Messages of a connection dropped, doubled and moved, where the profile orders them."""
    messages = list(exchange.sent())
    opening = checked[0].variant if checked else None
    if len(checked) < 2 or opening is None or beginning(profile, opening.kind) is None:
        return
    usual = _signature([difference for each in checked for difference in each.differences])
    orders: list[tuple[str, Callable[[], list[Any]]]] = [
        ("without the first", lambda: messages[1:]),
        ("the first twice", lambda: [messages[0], *messages]),
        ("the first moved to the end", lambda: [*messages[1:], messages[0]]),
    ]
    kinds = {each.variant.kind for each in checked[1:] if each.variant is not None}
    for path, make in orders:
        changed = make()
        if not changed or len(kinds) < 2:
            continue
        other = exchange.model_copy(update={"messages": tuple(changed)})
        found = [d for each in check_exchange(profile, other) for d in each.differences]
        yield Mutant(checked[0].name, "sequence", path, _signature(found) != usual)


def _signature(differences: Iterable[Difference]) -> list[tuple[str, str, str, str]]:
    return sorted((d.layer, d.path, d.kind, d.actual) for d in differences)
