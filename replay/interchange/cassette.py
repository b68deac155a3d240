"""Cassettes of vcrpy (version 1, YAML or JSON). Pure.

Written for replay: only what an HTTP upstream answered, with bodies that are whole, so headers of
a coding or a length that the redacted body has not are left out. WebSockets have no place in them.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import SafeRepresenter

from fingerprints.capture import RawAnswer, Recording
from fingerprints.compression import decode
from fingerprints.trace import Answer, Exchange, Headers, Trace
from replay.interchange.bodies import ascii_placeholders, content_of, events_of
from replay.interchange.errors import InterchangeError
from replay.interchange.har import reason, url_of

type Json = dict[str, Any]

_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


def read(text: str | bytes) -> list[Recording]:
    """The requests of a cassette. They have no times: each begins a second after the one before.

    Raises:
        InterchangeError: not a cassette, or an interaction that is wrong.
    """
    try:
        data = YAML(typ="safe", pure=True).load(text)  # JSON is YAML
    except (YAMLError, ValueError, RecursionError) as error:
        line = str(error).strip().splitlines()
        raise InterchangeError(
            f"not YAML without tags of Python: {line[0] if line else error}. "
            "Record the cassette again with a vcrpy of today"
        ) from error
    interactions = data.get("interactions") if isinstance(data, dict) else None
    if not isinstance(interactions, list):
        raise InterchangeError("not a vcrpy cassette: interactions is missing")
    out = []
    for index, interaction in enumerate(interactions):
        try:
            out.append(_recording(index, interaction))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise InterchangeError(f"interactions[{index}]: {problem}") from error
    return out


def _recording(index: int, interaction: Json) -> Recording:
    request, response = interaction["request"], interaction["response"]
    url = urlsplit(request["uri"])
    path = url.path or "/"
    begin = float(index)
    headers = _pairs(request.get("headers"))
    answered = _pairs(response.get("headers"))
    body, plain = _plain(_bytes(request.get("body")), headers)
    content, plain_answer = _plain(_bytes(response.get("body")), answered)
    status = response["status"]
    code = int(status["code"] if isinstance(status, Mapping) else status)
    return Recording(
        id=str(index),
        at=begin,
        method=str(request["method"]),
        authority=url.netloc.rpartition("@")[2],
        path=f"{path}?{url.query}" if url.query else path,
        headers=headers,
        scheme="http" if url.scheme == "http" else "https",
        body=body or None,
        answer=RawAnswer(begin, code, answered, [(begin, content)] if content else []),
        decoded=plain and plain_answer,
        notes=["from a cassette: letter case and order of headers may be the library's"],
    )


def _pairs(headers: Mapping[str, object] | None) -> list[tuple[str, str]]:
    return [
        (str(name), str(value))
        for name, values in (headers or {}).items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _bytes(body: object) -> bytes:
    """Text, bytes, nothing, or one of them in ``string`` or ``base64_string``."""
    if isinstance(body, Mapping):
        if "base64_string" in body:
            return base64.b64decode(str(body["base64_string"]))
        body = body.get("string", "")
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    raise ValueError(f"a body is a {type(body).__name__}, and must be text or bytes")


def _plain(body: bytes, headers: Sequence[tuple[str, str]]) -> tuple[bytes, bool]:
    """The body decompressed, and whether it is so: libraries undo codings and leave the header."""
    encoding = next((value for name, value in headers if name.lower() == "content-encoding"), "")
    content, _, problem = decode(body, encoding)
    return (body, True) if problem else (content, True)


# --- the other way -------------------------------------------------------------------------------


def write(traces: Sequence[Trace], *, as_json: bool = False) -> tuple[str, int]:
    """A cassette that vcrpy replays as the upstream of a test, and how much it has no place for."""
    exchanges = [exchange for trace in traces for exchange in trace.upstream()]
    interactions = list(_interactions(exchanges))
    data = {"interactions": interactions, "version": 1}
    left_out = len(exchanges) - len(interactions)
    if as_json:
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n", left_out
    out = io.StringIO()
    _writer().dump(data, out)
    return out.getvalue(), left_out


class _Quoting(SafeRepresenter):
    """Quotes all texts: vcrpy's YAML is 1.1, in which a bare ``no`` is False."""

    def represent_str(self, data: str) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')


_Quoting.add_representer(str, _Quoting.represent_str)


def _writer() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Quoting
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment] # its type is unsaid
    yaml.allow_unicode = True
    yaml.width = 1 << 30
    return yaml


def _interactions(exchanges: Sequence[Exchange]) -> Iterator[Json]:
    for exchange in exchanges:
        answer = exchange.answer
        if exchange.is_upgrade or answer is None:
            continue
        yield {
            "request": {
                "body": "" if exchange.body is None else content_of(exchange.body),
                "headers": _listed(exchange.headers),
                "method": exchange.method,
                "uri": ascii_placeholders(url_of(exchange)),
            },
            "response": {
                "body": {"string": _content(answer)},
                "headers": _listed(answer.headers),
                "status": {"code": answer.status, "message": reason(answer.status)},
            },
        }


def _content(answer: Answer) -> str:
    return content_of(answer.body) if answer.body is not None else events_of(answer.events)


def _listed(headers: Headers) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in _OF_THE_WIRE:
            out.setdefault(name, []).append(ascii_placeholders(value))
    return out
