"""The way of an answer to the client: whatever the chunks and whatever the upstream sends."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import ClientError
from addons.front.routes import Route
from addons.front.sse import KEEP_ALIVE, EventStream, encode
from addons.providers.contract import Outcome
from addons.relay import Collector, EventRelay
from tests.fakes import (
    CHAT_ROUTE,
    COMPACT_ROUTE,
    MODEL_ROUTE,
    Event,
    FakeProvider,
    Mishap,
    answer_events,
    exchange_of,
    wire,
)

ERROR = ClientError(502, "upstream_truncated", "The upstream broke off: reset")

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, zstd": lambda data: zstandard.ZstdCompressor().compress(gzip.compress(data)),
}


def relay(
    route: Route = MODEL_ROUTE, encoding: str = "", provider: FakeProvider | None = None
) -> EventRelay:
    return EventRelay(exchange_of(provider or FakeProvider(), route), encoding)


def given_to_client(relay: EventRelay, chunks: Iterable[bytes], *, ends: bool = True) -> bytes:
    out = b""
    for chunk in [*chunks, *([b""] if ends else [])]:
        pieces = relay(chunk)
        assert all(type(piece) is bytes and piece for piece in pieces), "would end a chunked body"
        out += b"".join(pieces)
    return out


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """``data`` in pieces; the places are taken modulo its length."""
    marks = sorted({place % max(len(data), 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(marks)]


def events_of(stream: bytes) -> list[Event]:
    parser = EventStream()
    found = [*parser.feed(stream), *parser.close()]
    return [json.loads(event.data) for event in found if event.data.startswith(b"{")]


# --- chunks --------------------------------------------------------------------------------------

ODD_BLOCKS = [
    b": a comment\n\n",
    b"\n\n",
    b'event: keepalive\ndata: {"type":"keepalive"}\n\n',
    b"data: [DONE]\n\n",
    b'event: odd\r\ndata: {"type":"odd","x":"\xc3\xa9"}\r\n\r\n',
    b"data: {not json\n\n",
    b'data:  {"type":"response.output_text.delta","delta":"two spaces","output_index":0}\n\n',
    b'id: 7\nretry: 5\ndata: {"type":\n',
    b'data: "odd"}\n\n',
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream as an upstream may send it, whole or cut off, with odd blocks in between."""
    words = draw(st.lists(st.text(max_size=4), max_size=3))
    end = draw(st.sampled_from(["completed", "incomplete", "failed", ""]))
    events = answer_events(*words, end=end, **draw(st.sampled_from([{}, {"moved": 1}])))
    blocks = [wire([event]) for event in events]
    for _ in range(draw(st.integers(0, 3))):
        blocks.insert(draw(st.integers(0, len(blocks))), draw(st.sampled_from(ODD_BLOCKS)))
    whole = b"".join(blocks)
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


@given(
    stream=streams(),
    places=st.lists(st.integers(0, 5000), max_size=12),
    encoding=st.sampled_from(sorted(CODINGS)),
    route=st.sampled_from([MODEL_ROUTE, CHAT_ROUTE]),
)
def test_any_cut_gives_the_client_the_same(
    stream: bytes, places: list[int], encoding: str, route: Route
) -> None:
    coded = CODINGS[encoding](stream)
    first, second = relay(route, encoding), relay(route, encoding)
    whole = given_to_client(first, [coded])
    pieces = given_to_client(second, cut(coded, places))
    assert _timeless(pieces) == _timeless(whole)
    assert second.outcome is first.outcome is not None
    plain = relay(route)
    assert _timeless(given_to_client(plain, [stream])) == _timeless(whole)


def _timeless(stream: bytes) -> list[Any]:
    """What is made up for a failed stream has a random id and a time."""
    parser = EventStream()
    out: list[Any] = []
    for event in [*parser.feed(stream), *parser.close()]:
        if not event.data.startswith(b"{"):
            out.append(event.raw)
            continue
        found = json.loads(event.data) if _is_json(event.data) else event.raw
        response = found.get("response") if isinstance(found, dict) else None
        if isinstance(response, dict) and response.get("status") in ("failed", "in_progress"):
            response |= {"id": "", "created_at": 0}
        if isinstance(found, dict) and str(found.get("id", "")).startswith("chatcmpl"):
            found |= {"id": "", "created": 0}
        out.append((event.event, found))
    return out


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def test_every_single_byte_is_a_chunk() -> None:
    stream = wire(answer_events("Hello", " ", "w\u00f6rld"))
    for route in (MODEL_ROUTE, CHAT_ROUTE):
        for encoding, coded in CODINGS.items():
            whole = given_to_client(relay(route, encoding), [coded(stream)])
            data = coded(stream)
            bytewise = (data[i : i + 1] for i in range(len(data)))
            assert given_to_client(relay(route, encoding), bytewise) == whole


def test_a_compressed_event_is_given_as_soon_as_it_is_there() -> None:
    events = answer_events("one", "two")
    for encoding in ("gzip", "zstd"):
        packer: Any = (
            zlib.compressobj(wbits=31)
            if encoding == "gzip"
            else zstandard.ZstdCompressor().compressobj()
        )
        flush = zlib.Z_SYNC_FLUSH if encoding == "gzip" else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        answer = relay(MODEL_ROUTE, encoding)
        for event in events:
            block = wire([event])
            assert answer(packer.compress(block) + packer.flush(flush)) == [block]
        assert answer(packer.flush()) == []
        assert answer(b"") == []
        assert answer.outcome is Outcome.COMPLETED


# --- what passes, and what is changed ------------------------------------------------------------


def test_what_is_not_restored_passes_byte_for_byte() -> None:
    stream = b"".join(
        [b": hello\r\n\r\n", wire(answer_events("a", "b")), b"event: odd\rdata: {\r\r", b"data\n\n"]
    )
    assert given_to_client(relay(), [stream]) == stream


def test_restored_events_and_no_others_are_written_anew() -> None:
    provider = FakeProvider()
    stream = wire(answer_events("a", moved=1))
    out = given_to_client(relay(provider=provider), [stream])
    sent, got = EventStream().feed(stream), EventStream().feed(out)
    differing = [ours.event for ours, theirs in zip(got, sent, strict=True) if ours != theirs]
    assert differing == ["response.created", "response.completed"]
    assert [event.get("response", {}).get("own") for event in events_of(out)][-1] == 1
    assert b'"moved"' not in out
    assert [event["type"] for event in provider.seen] == differing


def test_an_event_without_an_event_line_is_known_by_its_data() -> None:
    stream = b"".join(
        b"data: %s\n\n" % json.dumps(event).encode() for event in answer_events("a", moved=1)
    )
    answer = relay()
    out = given_to_client(answer, [stream])
    assert answer.outcome is Outcome.COMPLETED
    assert b'"moved"' not in out


def test_half_a_surrogate_pair_survives_restoring() -> None:
    event = {"type": "response.completed", "response": {"moved": "\ud83d", "status": "completed"}}
    block = encode("response.completed", json.dumps(event).encode())
    answer = relay()
    assert events_of(given_to_client(answer, [block]))[0]["response"]["own"] == "\ufffd"
    assert answer.outcome is Outcome.COMPLETED


def test_signs_of_life_reach_a_client_of_another_protocol() -> None:
    blocks = [b": waiting\n\n", b"\n", wire([{"type": "keepalive"}]), b"data: [DONE]\n\n"]
    assert given_to_client(relay(CHAT_ROUTE), blocks, ends=False) == 2 * KEEP_ALIVE


def test_chat_is_rendered() -> None:
    answer = relay(CHAT_ROUTE)
    out = given_to_client(answer, [wire(answer_events("Hel", "lo"))])
    chunks = events_of(out)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == "Hello"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert out.endswith(b"data: [DONE]\n\n")
    assert out.count(b"[DONE]") == 1
    assert answer.outcome is Outcome.COMPLETED


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [MODEL_ROUTE, CHAT_ROUTE], ids=["responses", "chat"])
@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("completed", Outcome.COMPLETED),
        ("incomplete", Outcome.COMPLETED),
        ("failed", Outcome.FAILED),
    ],
)
def test_the_terminal_event_decides(route: Route, end: str, outcome: Outcome) -> None:
    answer = relay(route)
    given_to_client(answer, [wire(answer_events("a", end=end))], ends=False)
    assert answer.outcome is outcome
    given_to_client(answer, [])
    assert answer.outcome is outcome


def test_an_error_event_is_an_end_to_which_nothing_is_added() -> None:
    error = {"type": "error", "code": "server_error", "message": "no", "sequence_number": 4}
    stream = wire([*answer_events("a", end=""), error])
    answer = relay()
    assert given_to_client(answer, [stream]) == stream
    assert answer.outcome is Outcome.FAILED
    chat = relay(CHAT_ROUTE)
    out = given_to_client(chat, [stream])
    assert events_of(out)[-1]["error"]["message"] == "no"
    assert b"[DONE]" not in out
    assert chat.outcome is Outcome.FAILED


def test_an_end_without_its_last_blank_line_counts() -> None:
    for route in (MODEL_ROUTE, CHAT_ROUTE):
        answer = relay(route)
        out = given_to_client(answer, [wire(answer_events("a"))[:-2]])
        assert answer.outcome is Outcome.COMPLETED
        assert b"failed" not in out
        assert b"error" not in out


def test_a_cut_stream_goes_on_with_a_failed_event() -> None:
    stream = wire(answer_events("a", "b", end=""))
    answer = relay()
    out = given_to_client(answer, [stream, b'event: response.completed\ndata: {"type":"resp'])
    assert out.startswith(stream)
    (last,) = events_of(out[len(stream) :])
    assert last["type"] == "response.failed"
    assert last["sequence_number"] == len(answer_events("a", "b", end=""))
    assert last["response"]["id"] == "resp_1"
    assert last["response"]["error"]["code"] == "server_error"
    assert answer.outcome is Outcome.TRUNCATED


def test_a_cut_chat_stream_ends_in_an_error_and_not_in_done() -> None:
    answer = relay(CHAT_ROUTE)
    out = given_to_client(answer, [wire(answer_events("a", end=""))])
    assert events_of(out)[-1]["error"]["code"] == "upstream_truncated"
    assert b"[DONE]" not in out
    assert answer.outcome is Outcome.TRUNCATED


def test_an_empty_stream_is_a_cut_one() -> None:
    answer = relay()
    assert [event["type"] for event in events_of(given_to_client(answer, []))] == [
        "response.created",
        "response.failed",
    ]
    assert answer.outcome is Outcome.TRUNCATED


def test_failing_is_told_once_and_nothing_follows() -> None:
    answer = relay()
    given_to_client(answer, [wire(answer_events("a", end=""))], ends=False)
    assert b"response.failed" in answer.fail(ERROR)
    assert answer.fail(ERROR) == b""
    assert given_to_client(answer, [wire(answer_events("b"))]) == b""
    assert answer.outcome is Outcome.TRUNCATED


@pytest.mark.parametrize(("route", "last"), [(MODEL_ROUTE, b""), (CHAT_ROUTE, b"data: [DONE]\n\n")])
def test_a_reset_behind_the_end_is_no_failure(route: Route, last: bytes) -> None:
    answer = relay(route)
    given_to_client(answer, [wire(answer_events("a"))], ends=False)
    assert answer.fail(ERROR) == last
    assert answer.outcome is Outcome.COMPLETED
    assert answer.fail(ERROR) == b""


def test_nothing_follows_the_end() -> None:
    answer = relay(CHAT_ROUTE)
    given_to_client(answer, [wire(answer_events("a"))])
    assert given_to_client(answer, [wire(answer_events("b"))]) == b""
    assert answer.fail(ERROR) == b""


# --- codings -------------------------------------------------------------------------------------


def test_a_cut_coding_is_told() -> None:
    coded = gzip.compress(wire(answer_events("a")))
    answer = relay(CHAT_ROUTE, "gzip")
    out = given_to_client(answer, [coded[: len(coded) // 2]])
    assert events_of(out)[-1]["error"]["code"] == "upstream_encoding"
    assert answer.outcome is Outcome.TRUNCATED


def test_a_coding_cut_behind_the_end_is_no_failure() -> None:
    coded = gzip.compress(wire(answer_events("a")))[:-4]
    answer = relay(CHAT_ROUTE, "gzip")
    assert given_to_client(answer, [coded]).endswith(b"[DONE]\n\n")
    assert answer.outcome is Outcome.COMPLETED


def test_bytes_that_are_not_so_coded() -> None:
    answer = relay(CHAT_ROUTE, "gzip")
    out = given_to_client(answer, [wire(answer_events("a"))])
    assert events_of(out)[-1]["error"]["code"] == "upstream_encoding"
    assert answer.outcome is Outcome.TRUNCATED


def test_an_unknown_coding_is_refused_before_the_first_byte() -> None:
    with pytest.raises(ClientError, match="made-up"):
        relay(MODEL_ROUTE, "made-up")


# --- nothing raises ------------------------------------------------------------------------------

GARBAGE = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(ODD_BLOCKS),
    st.sampled_from(
        [
            b'data: {"type":["response.completed"]}\n\n',
            b'data: {"type":"response.completed","response":7}\n\n',
            b'event: response.created\ndata: {"response":[]}\n\n',
            b'event: response.output_item.done\ndata: {"type":"response.output_item.done"}\n\n',
            b'event: error\ndata: {"type":"error","error":5}\n\n',
            b'data: {"type":"response.failed"}\n\n',
            b"event: response.completed\ndata: " + b"[" * 3000 + b"\n\n",
            b'event: response.completed\ndata: {"a":' + b"[" * 3000 + b"\n\n",
        ]
    ),
)


@given(
    chunks=st.lists(GARBAGE, max_size=8),
    route=st.sampled_from([MODEL_ROUTE, CHAT_ROUTE]),
    encoding=st.sampled_from(["", "gzip", "zstd", "br", "deflate"]),
)
def test_garbage_never_raises(chunks: list[bytes], route: Route, encoding: str) -> None:
    answer = relay(route, encoding)
    given_to_client(answer, [chunk for chunk in chunks if chunk])
    assert answer.outcome is not None


@given(st.lists(GARBAGE, max_size=8), st.sampled_from([MODEL_ROUTE, CHAT_ROUTE, COMPACT_ROUTE]))
def test_garbage_that_is_collected_is_a_client_error(chunks: list[bytes], route: Route) -> None:
    collector = Collector(exchange_of(FakeProvider(), route, stream=False))
    with contextlib.suppress(ClientError):
        collector.answer(b"".join(chunks))
        assert collector.outcome is Outcome.COMPLETED
    assert collector.outcome is not None


def test_a_provider_that_fails_at_an_event_does_not_fail_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(event: Event) -> None:
        raise Mishap("at an event")

    stream = wire(answer_events("a", moved=1))
    answer = relay(provider=FakeProvider(looks=fails))
    assert given_to_client(answer, [stream]) == stream
    assert answer.outcome is Outcome.COMPLETED
    assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1


def test_a_renderer_that_fails_keeps_what_was_rendered(caplog: pytest.LogCaptureFixture) -> None:
    class Renderer:
        content_type = "text/plain"
        passthrough = False

        def event(self, event: Event) -> bytes:
            if event["type"] == "response.completed":
                raise Mishap("cannot render that")
            return event["type"].encode() + b"\n"

        def failed(self, error: ClientError) -> bytes:
            if self.speechless:
                raise Mishap("cannot tell that")
            return b"failed: " + error.code.encode()

        speechless = False

        def finish(self) -> bytes:
            return b"end"

    for speechless in (False, True):
        exchange = exchange_of(FakeProvider())
        renderer = Renderer()
        renderer.speechless = speechless
        exchange.renderer = renderer  # type: ignore[assignment]  # only what a relay calls
        answer = EventRelay(exchange)
        out = given_to_client(answer, [wire(answer_events("a"))])
        assert out.startswith(b"response.created\nresponse.output_item.added\n")
        # The terminal event was seen, so the client is told the end.
        assert out.endswith(b"end")
        other = EventRelay(exchange)
        assert other.fail(ERROR) == (b"" if speechless else b"failed: upstream_truncated")
    assert "could not be relayed" in caplog.text
    assert "could not be told" in caplog.text


# --- collected whole -----------------------------------------------------------------------------


def test_one_answer_is_put_together() -> None:
    provider = FakeProvider()
    collector = Collector(exchange_of(provider, stream=False))
    whole = json.loads(collector.answer(wire(answer_events("a", "b", moved=1))))
    assert whole["output"][0]["content"][0]["text"] == "ab"
    assert whole["own"] == 1
    assert "moved" not in whole
    assert collector.outcome is Outcome.COMPLETED
    assert [event["type"] for event in provider.seen] == ["response.created", "response.completed"]


def test_one_chat_answer() -> None:
    collector = Collector(exchange_of(FakeProvider(), CHAT_ROUTE, stream=False))
    whole = json.loads(collector.answer(wire(answer_events("a", "b"))))
    assert whole["choices"][0]["message"]["content"] == "ab"


@pytest.mark.parametrize(
    ("stream", "code", "outcome"),
    [
        (wire(answer_events("a", end="")), "upstream_truncated", Outcome.TRUNCATED),
        (b"", "upstream_truncated", Outcome.TRUNCATED),
        (wire(answer_events("a", end="failed")), "server_error", Outcome.FAILED),
        (wire([{"type": "error", "code": "slow_down"}]), "slow_down", Outcome.FAILED),
    ],
)
def test_answers_that_cannot_be_put_together(stream: bytes, code: str, outcome: Outcome) -> None:
    collector = Collector(exchange_of(FakeProvider(), stream=False))
    with pytest.raises(ClientError) as caught:
        collector.answer(stream)
    assert caught.value.code == code
    assert collector.outcome is outcome
