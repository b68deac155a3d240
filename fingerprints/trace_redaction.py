"""Redaction of whole traces: what was redacted before, and the numbers of placeholders. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fingerprints import trace_file
from fingerprints.placeholders import WRITTEN
from fingerprints.redaction import Redactor
from fingerprints.trace import Exchange, Message, Payload, Trace


def redacted(trace: Trace) -> Trace:
    """A trace whose values are redacted; of one that was already, the same."""
    redactor = Redactor()
    exchanges = trace.exchanges
    while True:
        learned = redactor.learned
        exchanges = tuple(redacted_again(each, redactor) for each in exchanges)
        if redactor.learned == learned:
            return renumbered(trace.model_copy(update={"exchanges": exchanges}))


def renumbered(trace: Trace) -> Trace:
    """Placeholders numbered in the order in which they stand in the file.

    So two runs that did the same have the same numbers, whichever request was over first.
    """
    numbers: dict[tuple[str, str], int] = {}
    highest: dict[str, int] = {}

    def renumber(found: re.Match[str]) -> str:
        kind = found["kind"]
        number = numbers.get((kind, found["number"]))
        if number is None:
            number = highest[kind] = highest.get(kind, 0) + 1
            numbers[kind, found["number"]] = number
        return f"{found['open']}{kind}:{number}{found['close']}"

    text = trace_file.render(trace)
    changed = WRITTEN.sub(renumber, text)
    return trace if changed == text else trace_file.parse(changed)


def redacted_again(exchange: Exchange, redactor: Redactor) -> Exchange:
    """An exchange with all its values redacted; where they were already, it changes nothing."""

    def payload(each: Payload | None) -> Payload | None:
        if each is None:
            return None
        data = redactor.redact(each.data) if each.form == "json" else redactor.text(each.data or "")
        return each.model_copy(update={"data": data})

    def message(each: Message) -> Message:
        return each.model_copy(update={"payload": payload(each.payload)})

    def headers(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple((name, redactor.header(name, value)) for name, value in pairs)

    answer = exchange.answer
    if answer is not None:
        answer = answer.model_copy(
            update={
                "headers": headers(answer.headers),
                "body": payload(answer.body),
                "events": tuple(message(each) for each in answer.events),
            }
        )
    return exchange.model_copy(
        update={
            "path": redactor.text(exchange.path),
            "headers": headers(exchange.headers),
            "body": payload(exchange.body),
            "messages": tuple(message(each) for each in exchange.messages),
            "answer": answer,
        }
    )
