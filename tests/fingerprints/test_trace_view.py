"""Exchanges of traces, seen as the checker sees requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fingerprints import trace_view
from fingerprints.check import Layer, check_frame, check_request
from fingerprints.observed import read_body, sign_in_of
from fingerprints.serial import dumps, untidy
from fingerprints.trace import Coding, Exchange, Message, Payload
from tests.fingerprints.recordings import Case, case, cases
from tests.fingerprints.values import JSON

ZSTD = Coding(name="zstd", length=16429, level=3, content_size=False, checksum=False, window=2**21)


def payload(data: Any, **changes: Any) -> Payload:
    raw = dumps(data)
    return Payload(**{"form": "json", "length": len(raw), "data": data, **changes})


def exchange_of(recorded: Case) -> Exchange:
    """A case as a trace would have it: long before its texts were taken out."""
    headers = dict(recorded.headers)
    length = int(headers.get("content-length", "0"))
    coding = ZSTD.model_copy(update={"length": length}) if "content-encoding" in headers else None
    body = None
    if recorded.data is not None:
        body = payload(recorded.data, coding=coding, length=length if coding is None else 90_000)
    return Exchange(
        number=1,
        http_version=recorded.http_version,  # type: ignore[arg-type]
        method=recorded.method,
        authority="chatgpt.com",
        path=recorded.path,
        headers=recorded.headers,
        body=body,
    )


def with_header(exchange: Exchange, name: str, value: str) -> Exchange:
    headers = tuple((key, value if key == name else old) for key, old in exchange.headers)
    return exchange.model_copy(update={"headers": headers})


TURN = exchange_of(case("0.169.0/turn-http-full-chatgpt"))
NEW = case("0.169.0/turn-http-full-chatgpt").profile


@pytest.mark.parametrize("recorded", [each for each in cases() if not each.is_frame])
def test_a_recording_checks_clean_through_its_view(recorded: Case) -> None:
    shape = recorded.shape if recorded.release == "0.142.0" else None
    seen = trace_view.observed(exchange_of(recorded))
    assert seen.over == recorded.transport
    assert [str(each) for each in check_request(recorded.profile, seen, shape=shape)] == []


def test_messages_are_the_clients_in_order() -> None:
    recorded = case("0.169.0/turn-ws-full-chatgpt")
    messages = (
        Message(sender="server", at=0.1, payload=payload({"type": "made_up"})),
        Message(sender="client", at=0.2, payload=payload(recorded.data)),
        Message(sender="client", at=0.3, payload=Payload(form="text", length=2, data="hi")),
    )
    upgrade = exchange_of(case("0.169.0/upgrade-ws-full-chatgpt"))
    first, second = trace_view.frames(upgrade.model_copy(update={"messages": messages}))
    assert check_frame(NEW, first, sign_in="chatgpt") == []
    assert second == "hi"


@pytest.mark.parametrize(("wrong", "found"), [(0, 0), (1, 1), (-5, 1)])
def test_a_wrong_length_stays_wrong(wrong: int, found: int) -> None:
    seen = trace_view.observed(with_header(TURN, "content-length", str(16429 + wrong)))
    differences = check_request(NEW, seen)
    assert [each.rule for each in differences] == ["role content_length"] * found
    assert seen.header("content-length") == str(len(seen.body) + wrong)


def test_a_length_that_is_no_number_stays() -> None:
    seen = trace_view.observed(with_header(TURN, "content-length", "many"))
    assert seen.header("content-length") == "many"


@pytest.mark.parametrize(
    ("change", "layer"),
    [
        ({"level": None}, "no level"),
        ({"level": 19}, "level"),
        ({"level": 4}, "level"),
        ({"checksum": True}, "checksum"),
        ({"content_size": True}, "content size"),
        ({"rest": 3}, "bytes after the frame"),
        ({"name": "gzip"}, "gzip"),
        ({"name": "br"}, "br"),
    ],
)
def test_another_coding_is_a_difference(change: dict[str, Any], layer: str) -> None:
    coding = ZSTD.model_copy(update=change)
    assert TURN.body is not None
    body = TURN.body.model_copy(update={"coding": coding})
    found = check_request(NEW, trace_view.observed(TURN.model_copy(update={"body": body})))
    assert found
    assert {each.layer for each in found} <= {Layer.ENCODING, Layer.VALUE, Layer.MEMBER_PRESENCE}
    assert layer in "\n".join(map(str, found))


@example({'"': None})
@given(st.dictionaries(st.text(min_size=1, max_size=5), JSON, min_size=1, max_size=4))
def test_spelling_is_kept(data: dict[str, Any]) -> None:
    name = next(iter(data))
    faults = ("white space between tokens", f"member {name!r} stands twice")
    made = trace_view.written(payload(data, spelling=faults)).decode()
    found = untidy(made, ascii_only=False)
    assert faults[0] in found
    if "\\" not in repr(name) and "'" not in name:
        assert faults[1] in found
    assert json.loads(made) == data
    assert trace_view.written(payload(data)) == dumps(data)


def test_a_needless_escape_is_kept() -> None:
    fault = "a character escaped that need not be, or not escaped that must be"
    made = trace_view.written(payload({"a": "b"}, spelling=(fault,))).decode()
    assert untidy(made, ascii_only=False) == [fault]
    assert json.loads(made) == {"a": "b"}


def test_placeholders_in_json_texts_are_escaped_as_the_text_is() -> None:
    metadata = case("0.169.0/turn-http-full-chatgpt").data["client_metadata"]
    text = metadata["x-codex-turn-metadata"]
    masked = text[:-1] + ',"workspaces":{"⟨path:1⟩":{"has_changes":true}}}'
    masked = masked.replace('"turn_started', '"workspaces":{"⟨path:1⟩":{}},"turn_started').replace(
        ',"workspaces":{"⟨path:1⟩":{"has_changes":true}}}', "}"
    )
    data = {
        **case("0.169.0/turn-http-full-chatgpt").data,
        "client_metadata": {**metadata, "x-codex-turn-metadata": masked},
    }
    assert TURN.body is not None
    body = TURN.body.model_copy(update={"data": data})
    exchange = with_header(TURN, "x-codex-turn-metadata", masked).model_copy(update={"body": body})
    assert [str(each) for each in check_request(NEW, trace_view.observed(exchange))] == []


def test_placeholders_in_a_text_of_another_spelling_stay() -> None:
    headers = (("a", '{"x": "⟨path:1⟩"}'), ("b", "⟨path:1⟩"), ("c", "{⟨path:1⟩"))
    seen = trace_view.observed(TURN.model_copy(update={"headers": headers}))
    assert tuple(seen.headers) == headers


@pytest.mark.parametrize(
    ("token", "sign_in"), [("Bearer sk-⟨secret:1⟩", "api_key"), ("Bearer ⟨jwt:1⟩", "chatgpt")]
)
def test_the_sign_in_is_told_from_a_placeholder(token: str, sign_in: str) -> None:
    seen = trace_view.observed(with_header(TURN, "authorization", token))
    assert sign_in_of(seen, ("chatgpt", "api_key")) == sign_in


def test_a_body_that_is_no_json_stays_none() -> None:
    body = Payload(form="binary", length=512, data="⟨binary:512:1f2e3d4c⟩")
    seen = trace_view.observed(TURN.model_copy(update={"body": body}))
    assert read_body(seen.body).problem
    assert check_request(NEW, seen)
    without = trace_view.observed(TURN.model_copy(update={"body": None}))
    assert without.body == b""
