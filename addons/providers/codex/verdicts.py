"""What an upstream answer means for the attempt, the account and the client. Pure and quick.

:func:`judge` is called on the head of an answer and again for each piece of a held body. Classes
and their numbers follow codex-wire.md §4 and §7.4; where nobody says how long, the first step of a
backoff is given and the pool doubles it.

When a stream is held, and when no longer: everything up to ``response.in_progress`` (and limits,
metadata, keep-alives) carries nothing that a person sees, so holding it costs no visible byte. The
first event of any other kind commits. That includes ``response.output_item.added``, even of a
reasoning item: it shows that the model runs. Overload and quota are refused at admission, before
it; and a reasoning model may then be silent for a minute, in which clients show "thinking" from
this very event. Holding on would delay that, and would repeat work already paid for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from addons.accounts.quota import Quota
from addons.accounts.rules import CooldownRule
from addons.errors import ClientError
from addons.front.sse import DONE, EventStream, ServerEvent, event_type
from addons.providers.codex.classification import classify, client_error, transport
from addons.providers.codex.refusals import Refusal, from_answer, from_event
from addons.providers.contract import Answer, Commit, Ended, Fail, Hold, Verdict

PREAMBLE = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.metadata",
        "codex.response.metadata",
        "codex.rate_limits",
        "responsesapi.websocket_timing",
        "keepalive",
        "ping",
    }
)
"""Events that may come before any output and show nothing to a person."""

FAILURES = frozenset({"error", "response.failed"})
"""Events that end a response with a refusal."""


type _Decide = partial[Verdict]
""":func:`classify` with all that does not depend on the refusal."""


class StreamScan:
    """Remembers how far a held body was read, so that each byte is looked at once.

    One per attempt. Only failures are parsed as JSON; of all other events the type is enough.
    """

    def __init__(self) -> None:
        self._stream = EventStream()
        self._read = 0
        self._decisive: ServerEvent | None = None

    def decisive(self, body: bytes, *, ended: bool) -> ServerEvent | None:
        """The first event that decides, or None so far. ``body``: all bytes so far."""
        while self._decisive is None and self._read < len(body):
            # One event at a time, as far as they are easily told: the first few decide.
            end = body.find(b"\n\n", self._read) + 2
            end = end if end > 1 else len(body)
            self._look(self._stream.feed(body[self._read : end]))
            self._read = end
        if self._decisive is None and ended:
            self._look(self._stream.close())
        return self._decisive

    def _look(self, events: Iterable[ServerEvent]) -> None:
        self._decisive = next((event for event in events if _decides(event)), None)


def _decides(event: ServerEvent) -> bool:
    return bool(event.data) and event.data != DONE and event_type(event) not in PREAMBLE


def judge(
    answer: Answer,
    *,
    model: str,
    now: float,
    retried: bool,
    streamed: bool = True,
    learnable: Callable[[str], bool] = lambda _: False,
    scan: StreamScan | None = None,
    known: Quota | None = None,
    rules: Sequence[CooldownRule] = (),
) -> Verdict:
    """The verdict on an answer.

    Args:
        model: as it went upstream; for messages and to see a refusal of it.
        now: unix seconds.
        retried: this account was already asked more than once in this exchange; then trouble of
            the transport or the server moves on instead of asking it again.
        streamed: a stream of events was asked for; False for model lists, compact and the like.
        learnable: whether a member was sent and may be left out, so that a refusal of it is
            worth another attempt without it.
        scan: one per attempt; without it each call reads the body from the start.
        known: what was known of the account's limits before; for a refusal without a time.
        rules: the user's own.
    """
    decide = partial(
        classify,
        model=model,
        now=now,
        retried=retried,
        learnable=learnable,
        known=known,
        rules=rules,
    )
    status = answer.status
    if status is None:
        return transport(answer.error or "no answer", retried=retried)
    if status == 101:
        return Commit()
    if status == 304 or (200 <= status < 300 and not streamed):
        if answer.ended is Ended.BROKEN:
            return transport(answer.error or "the answer was cut off", retried=retried)
        return Commit()
    if 200 <= status < 300:
        return _judge_stream(answer, now, decide, scan or StreamScan(), retried=retried)
    if 300 <= status < 400:
        return Fail(
            f"redirect {status}",
            ClientError(
                502, "upstream_redirect", f"The upstream answered with a redirect ({status})."
            ),
        )
    if answer.ended is Ended.OPEN:
        return Hold()
    return decide(from_answer(status, answer.headers, answer.body, now))


def _judge_stream(
    answer: Answer, now: float, decide: _Decide, scan: StreamScan, *, retried: bool
) -> Verdict:
    # The content type is not looked at: the real backend may leave it out (codex-wire.md §4.1).
    start = answer.body[:256].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"<"):
        return _judge_document(answer, now, decide, retried=retried, page=start == b"<")
    # What a broken stream left unfinished decides nothing.
    event = scan.decisive(answer.body, ended=answer.ended is Ended.COMPLETE)
    if event is not None:
        refusal = _refusal(event, now)
        if refusal is None:
            return Commit()
        return decide(refusal, event=True)
    if answer.ended is Ended.OPEN:
        return Hold()
    if answer.ended is Ended.WAITED:
        return Commit()
    return transport(answer.error or "the stream ended before any output", retried=retried)


def _judge_document(
    answer: Answer, now: float, decide: _Decide, *, retried: bool, page: bool
) -> Verdict:
    """A 200 that is no stream: an error in JSON, a whole response, or the gate's HTML page."""
    assert answer.status is not None
    if page:
        if answer.ended is Ended.OPEN:
            return Hold()
        return decide(from_answer(403, answer.headers, answer.body, now))
    if answer.ended is Ended.OPEN:
        return Hold()
    if answer.ended is Ended.BROKEN:
        return transport(answer.error or "the answer was cut off", retried=retried)
    document = _object(answer.body)
    if document is None or not ({"error", "detail"} & document.keys()) or "output" in document:
        return Commit()  # whole, or longer than what is held
    return decide(from_answer(answer.status, answer.headers, answer.body, now), event=True)


def judge_event(
    event: Mapping[str, Any],
    *,
    model: str,
    now: float,
    retried: bool = True,
    output: bool = False,
    known: Quota | None = None,
    rules: Sequence[CooldownRule] = (),
) -> Verdict | None:
    """The verdict on a WebSocket message, or an event of a committed stream.

    None when it is no refusal. Nothing can be sent again unseen; the verdict says what cools.

    Args:
        output: output of this response was seen before.
        known, retried, rules: see :func:`judge`.
    """
    refusal = from_event(event, now)
    if refusal is None:
        return None
    return classify(
        refusal,
        model=model,
        now=now,
        retried=retried,
        event=True,
        output=output,
        known=known,
        rules=rules,
    )


def explain(
    status: int,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    *,
    now: float,
    model: str = "",
) -> ClientError:
    """An upstream's own error in neutral form, for clients of another protocol."""
    return client_error(from_answer(status, headers, body, now), model=model, now=now)


def _refusal(event: ServerEvent, now: float) -> Refusal | None:
    kind = event_type(event)
    if kind not in FAILURES and not (kind == "" and b'"error"' in event.data):
        return None
    document = _object(event.data)
    if document is None:
        return None
    if kind:
        document.setdefault("type", kind)
    return from_event(document, now)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
