"""Clients of each kind that judge what they are given: one well-formed outcome, and nothing twice.

A client raises :class:`Malformed` when an answer is none of its protocol; else it says how the
request ended (:class:`Told`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

MODEL = "gpt-5.5"
SECONDS = 20.0
RECONNECTS = 5
"""How often the official client connects again (facts: codex-wire.md §3)."""
TERMINAL = {"response.completed", "response.failed", "response.incomplete", "error"}

type Json = dict[str, Any]


class Malformed(AssertionError):
    """The client was given something that its protocol does not know."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a request ended.

    Attributes:
        end: ``completed``; ``failed`` (a stream that began and ended as failed); ``refused`` (an
            error in the place of an answer).
        text: what was answered; of a failed one as far as it came.
        status: of an error; 0 where a protocol has no place for one.
        code: of an error.
        message: of an error.
        reconnects: WebSockets: connections after the first.
        retry_after: seconds of that header, where it was given.
    """

    end: str
    text: str = ""
    status: int = 0
    code: str = ""
    message: str = ""
    reconnects: int = 0
    retry_after: float | None = None


def expect(condition: object, what: str, seen: object = "") -> None:
    if not condition:
        raise Malformed(f"{what}: {seen!r:.600}")


# --- over HTTP -----------------------------------------------------------------------------------


def responses_stream(url: str, prompt: str, *, seconds: float = SECONDS) -> Told:
    body = {"model": MODEL, "input": prompt, "stream": True}
    with httpx.stream(
        "POST", f"{url}/v1/responses", json=body, trust_env=False, timeout=seconds
    ) as answer:
        if answer.status_code != 200:
            answer.read()
            return _refused(answer)
        expect("text/event-stream" in answer.headers["content-type"], "no stream", answer.headers)
        raw = _all_of(answer)
    return _events(_sse(raw))


def responses_whole(url: str, prompt: str, *, seconds: float = SECONDS) -> Told:
    body = {"model": MODEL, "input": prompt}
    answer = httpx.post(f"{url}/v1/responses", json=body, trust_env=False, timeout=seconds)
    if answer.status_code != 200:
        return _refused(answer)
    whole = answer.json()
    expect(whole["status"] == "completed", "not completed", whole)
    return Told("completed", _text_of(whole))


def chat_stream(url: str, prompt: str, *, seconds: float = SECONDS) -> Told:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
    }
    with httpx.stream(
        "POST", f"{url}/v1/chat/completions", json=body, trust_env=False, timeout=seconds
    ) as answer:
        if answer.status_code != 200:
            answer.read()
            return _refused(answer)
        records = _sse(_all_of(answer))
    done = [n for n, data in enumerate(records) if data == "[DONE]"]
    expect(done in ([], [len(records) - 1]), "not one end", records)
    chunks = [json.loads(data) for data in records if data != "[DONE]"]
    errors = [chunk["error"] for chunk in chunks if "error" in chunk]
    choices = [each for chunk in chunks if "error" not in chunk for each in chunk["choices"]]
    text = "".join(each["delta"].get("content") or "" for each in choices)
    finished = [each["finish_reason"] for each in choices if each["finish_reason"]]
    expect(len(errors) + len(finished) == 1, "not one outcome", records)
    expect(len([each for each in choices if each["delta"].get("role")]) <= 1, "two roles", records)
    if errors:
        expect("error" in chunks[-1], "something after the error", records)
        return Told("failed", text, 0, *_error(errors[0]))
    expect(done, "no end", records)
    return Told("completed", text)


def _all_of(answer: httpx.Response) -> bytes:
    """What came, also of an answer that was cut off: the events have to say so by then."""
    raw = b""
    try:
        for chunk in answer.iter_raw():
            raw += chunk
    except httpx.RemoteProtocolError:
        expect(raw, "cut off without a word")
    return raw


def _refused(answer: httpx.Response) -> Told:
    expect(answer.status_code >= 400, "an odd status", answer.status_code)
    expect(answer.headers["content-type"].startswith("application/json"), "no JSON", answer.text)
    document = answer.json()
    after = answer.headers.get("retry-after")
    code, message = _error(document["error"])
    return Told(
        "refused", "", answer.status_code, code, message, 0, None if after is None else float(after)
    )


def _error(error: Json) -> tuple[str, str]:
    expect(isinstance(error.get("message"), str) and error["message"], "no message", error)
    expect({"type", "code"} & error.keys(), "no code", error)
    return str(error.get("code") or error.get("type")), error["message"]


def _sse(raw: bytes) -> list[str]:
    """The data of each event."""
    expect(raw.endswith(b"\n\n"), "an event that is cut off", raw[-200:])
    found = []
    for record in raw.decode().split("\n\n"):
        lines = [line for line in record.splitlines() if line and not line.startswith(":")]
        data = [line[5:].lstrip() for line in lines if line.startswith("data:")]
        if data:
            found.append("\n".join(data))
    return found


def _events(records: list[str]) -> Told:
    """The outcome of a stream of Responses events."""
    return _outcome([json.loads(data) for data in records if data != "[DONE]"])


def _outcome(events: list[Json]) -> Told:
    kinds = [event["type"] for event in events]
    ends = [n for n, kind in enumerate(kinds) if kind in TERMINAL]
    expect(ends == [len(events) - 1], "not one end, at the end", kinds)
    expect(kinds.count("response.created") <= 1, "begun twice", kinds)
    numbers = [event["sequence_number"] for event in events if "sequence_number" in event]
    expect(numbers == sorted(set(numbers)), "out of order, or twice", numbers)
    text = "".join(each["delta"] for each in events if each["type"] == "response.output_text.delta")
    last = events[-1]
    if last["type"] == "response.completed":
        whole = _text_of(last["response"])
        expect(text == whole, "not what the whole response says", (text, whole))
        return Told("completed", text)
    error = last["response"]["error"] if last["type"] == "response.failed" else last
    if last["type"] == "error" and isinstance(last.get("error"), dict):
        error = last["error"]
    code, message = _error(error)
    return Told("failed", text, int(last.get("status") or 0), code, message)


def _text_of(response: Json) -> str:
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    )


# --- over WebSocket ------------------------------------------------------------------------------


def websocket(url: str, prompt: str, *, seconds: float = SECONDS) -> Told:
    """As the official client behaves: it connects again where that is its form (§3's table)."""
    said = {"role": "user", "content": prompt}
    create = json.dumps({"type": "response.create", "model": MODEL, "input": [said]})
    told = Told("refused", message="never tried")
    for count in range(RECONNECTS + 1):
        try:
            with connect(
                url.replace("http:", "ws:") + "/v1/responses",
                open_timeout=seconds,
                close_timeout=1,
                proxy=None,
            ) as socket:
                told, again = _talk(socket, create)
        except InvalidStatus as refusal:
            answer = refusal.response
            after = answer.headers.get("retry-after")
            expect(answer.body, "a refused upgrade without a word", answer)
            document = json.loads(answer.body or b"")
            code, message = _detail(document)
            return Told(
                "refused",
                "",
                answer.status_code,
                code,
                message,
                count,
                None if after is None else float(after),
            )
        told = Told(
            told.end, told.text, told.status, told.code, told.message, count, told.retry_after
        )
        if not again:
            return told
    return told


def _detail(document: Json) -> tuple[str, str]:
    """An upgrade's refusal may be the upstream's own, in its short form."""
    if "error" in document:
        return _error(document["error"])
    detail = document["detail"]
    return "", detail if isinstance(detail, str) else json.dumps(detail)


def _talk(socket: ClientConnection, create: str) -> tuple[Told, bool]:
    """One request on a connection; whether the client would connect again."""
    socket.send(create)
    events: list[Json] = []
    try:
        while not events or events[-1]["type"] not in TERMINAL:
            event = json.loads(socket.recv(SECONDS))
            if event["type"] not in ("codex.rate_limits", "response.metadata"):
                events.append(event)
    except ConnectionClosed:
        text = "".join(
            each["delta"] for each in events if each["type"] == "response.output_text.delta"
        )
        return Told("failed", text, 0, "closed", "the connection was closed"), not text
    told = _outcome(events)
    last = events[-1]
    if last["type"] == "error":
        expect("status" in last, "an error without a status, at which clients wait", last)
    again = last["type"] == "error" and (
        told.code in ("websocket_connection_limit_reached", "previous_response_not_found")
        or told.status in (401, 500, 502)
    )
    return told, again and not told.text


class Ask(Protocol):
    """Sends a prompt; ``seconds``: how long the client waits for a piece of the answer."""

    def __call__(self, url: str, prompt: str, *, seconds: float = SECONDS) -> Told: ...


SURFACES: dict[str, Ask] = {
    "responses stream": responses_stream,
    "responses whole": responses_whole,
    "chat stream": chat_stream,
    "websocket upgrade": websocket,
    "websocket message": websocket,
}
"""Of WebSockets, whether a fault is met in the handshake or on the open connection."""
