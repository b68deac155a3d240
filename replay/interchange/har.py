"""HTTP Archives (HAR 1.2), as browsers and proxies write them. Pure.

What a HAR cannot say: bodies are kept decompressed, so how they were compressed is lost, and so is
the time of each event of a stream. WebSocket messages are in Chrome's ``_webSocketMessages``,
which mitmproxy and others write as well.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

from fingerprints.capture import HttpVersion, RawAnswer, RawMessage, Recording
from fingerprints.serial import loads
from fingerprints.trace import Exchange, Headers, Payload, Trace
from replay.interchange.bodies import content_of, events_of
from replay.interchange.errors import InterchangeError

type Json = dict[str, Any]

_VERSIONS: dict[str, HttpVersion] = {
    "http/1.0": "HTTP/1.0",
    "http/1.1": "HTTP/1.1",
    "http/2": "HTTP/2.0",
    "http/2.0": "HTTP/2.0",
    "h2": "HTTP/2.0",
    "http/3": "HTTP/3",
    "http/3.0": "HTTP/3",
    "h3": "HTTP/3",
}
_TEXT, _BINARY = 1, 2
"""WebSocket opcodes."""


def read(text: str | bytes) -> list[Recording]:
    """The requests of an archive.

    Raises:
        InterchangeError: not a HAR, or an entry that is wrong.
    """
    try:
        data = loads(text)
    except ValueError as error:
        raise InterchangeError(f"not JSON: {error}") from error
    log = data.get("log") if isinstance(data, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise InterchangeError("not a HAR: log.entries is missing. Export it again, with content")
    out = []
    for index, entry in enumerate(entries):
        try:
            out.append(_recording(index, entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise InterchangeError(f"log.entries[{index}]: {problem}") from error
    return out


def _recording(index: int, entry: Json) -> Recording:
    request, response = entry["request"], entry.get("response") or {}
    begin = datetime.fromisoformat(entry["startedDateTime"]).timestamp()
    url = urlsplit(request["url"])
    path = url.path or "/"
    recording = Recording(
        id=str(index),
        at=begin,
        method=str(request["method"]),
        authority=url.netloc.rpartition("@")[2],
        path=f"{path}?{url.query}" if url.query else path,
        headers=_headers(request),
        connection=str(entry.get("connection") or ""),
        scheme="http" if url.scheme in ("http", "ws") else "https",
        http_version=_version(request, response),
        body=_posted(request),
        decoded=True,
    )
    messages = entry.get("_webSocketMessages") or []
    recording.messages += [_message(message) for message in messages]
    status = int(response.get("status") or 0)
    if status <= 0:
        problem = response.get("_error") or entry.get("_error") or "none is in the archive"
        recording.notes.append(f"no answer: {problem}")
        return recording
    timings = entry.get("timings") or {}
    waited = [float(timings.get(name) or 0) for name in ("blocked", "dns", "connect", "send")]
    waited.append(float(timings.get("wait") or 0))
    head = begin + sum(max(each, 0) for each in waited) / 1000
    end = begin + max(float(entry.get("time") or 0), 0) / 1000
    content = _content(response.get("content") or {})
    recording.answer = RawAnswer(
        head, status, _headers(response), [(max(end, head), content)] if content else []
    )
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        recording.answer.ended = "closed"
    return recording


def _headers(part: Json) -> list[tuple[str, str]]:
    pairs = [(str(each["name"]), str(each["value"])) for each in part.get("headers") or []]
    return [pair for pair in pairs if not pair[0].startswith(":")]


def _version(request: Json, response: Json) -> HttpVersion:
    for part in (request, response):
        found = _VERSIONS.get(str(part.get("httpVersion", "")).lower())
        if found:
            return found
    return "HTTP/1.1"


def _posted(request: Json) -> bytes | None:
    data = request.get("postData")
    if not data:
        return None
    if "text" in data:
        return _bytes(str(data["text"]), data.get("encoding"))
    parameters = data.get("params") or []
    text = "&".join(f"{each['name']}={each.get('value', '')}" for each in parameters)
    return text.encode() or None


def _content(content: Json) -> bytes:
    return _bytes(str(content.get("text") or ""), content.get("encoding"))


def _bytes(text: str, encoding: object) -> bytes:
    if encoding != "base64":
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"a body is not base64: {error}") from error


def _message(message: Json) -> RawMessage:
    sender: Literal["client", "server"] = "client" if message["type"] == "send" else "server"
    is_text = message.get("opcode", _TEXT) == _TEXT
    data = _bytes(str(message["data"]), "" if is_text else "base64")
    return RawMessage(sender, float(message["time"]), data, is_text)


# --- the other way -------------------------------------------------------------------------------


def write(traces: Sequence[Trace], version: str) -> str:
    """An archive of what reached the upstreams.

    Args:
        version: of floway.
    """
    entries = [_entry(trace, exchange) for trace in traces for exchange in trace.upstream()]
    log = {"version": "1.2", "creator": {"name": "floway", "version": version}, "entries": entries}
    return json.dumps({"log": log}, indent=1, ensure_ascii=False) + "\n"


def _entry(trace: Trace, exchange: Exchange) -> Json:
    day = datetime.fromisoformat(trace.origin.on).replace(tzinfo=UTC).timestamp()
    answer = exchange.answer
    events = answer.events if answer is not None else ()
    length = max([each.at for each in (*events, *exchange.messages)], default=0.0)
    first = answer.at if answer is not None else 0.0
    length = max(length, first)
    request: Json = {
        "method": exchange.method,
        "url": url_of(exchange),
        "httpVersion": exchange.http_version,
        "cookies": [],
        "headers": _named(exchange.headers),
        "queryString": [],
        "headersSize": -1,
        "bodySize": -1,
    }
    if exchange.body is not None:
        kind = exchange.header("content-type") or "application/octet-stream"
        request["postData"] = {"mimeType": kind, "text": content_of(exchange.body)}
    entry: Json = {
        "startedDateTime": datetime.fromtimestamp(day + exchange.at, UTC).isoformat(),
        "time": round(length * 1000, 3),
        "request": request,
        "response": _response(exchange),
        "cache": {},
        "timings": {
            "send": 0,
            "wait": round(first * 1000, 3),
            "receive": round((length - first) * 1000, 3),
        },
        "connection": str(exchange.connection),
    }
    if exchange.messages:
        entry["_webSocketMessages"] = [
            {
                "type": "send" if message.sender == "client" else "receive",
                "time": day + exchange.at + message.at,
                "opcode": _BINARY if message.payload.form == "binary" else _TEXT,
                "data": _message_text(message.payload),
            }
            for message in exchange.messages
        ]
    return entry


def _message_text(payload: Payload) -> str:
    text = content_of(payload)
    return base64.b64encode(text.encode()).decode() if payload.form == "binary" else text


def _response(exchange: Exchange) -> Json:
    answer = exchange.answer
    status = answer.status if answer is not None else 0
    headers = answer.headers if answer is not None else ()
    text = ""
    if answer is not None:
        text = content_of(answer.body) if answer.body is not None else events_of(answer.events)
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    return {
        "status": status,
        "statusText": reason(status),
        "httpVersion": exchange.http_version,
        "cookies": [],
        "headers": _named(headers),
        "content": {"size": len(text.encode()), "mimeType": kind, "text": text},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    }


def _named(headers: Headers) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers]


def url_of(exchange: Exchange) -> str:
    """Of the request, without placeholders that a URL cannot hold."""
    return f"{exchange.scheme}://{exchange.authority}{exchange.path}"


def reason(status: int) -> str:
    """The words that go with a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
