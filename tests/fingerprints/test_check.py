"""Layers that the recorded cases cannot show: encoding, request line, broken bodies, secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.check import (
    Difference,
    Layer,
    Observed,
    check_frame,
    check_request,
    inspect,
)
from fingerprints.difference import moved
from fingerprints.library import load
from fingerprints.serial import dumps
from tests.fingerprints.recordings import Case, case

TURN = case("0.169.0/turn-http-full-chatgpt")
LITE = case("0.169.0/turn-http-lite-chatgpt")
FRAME = case("0.169.0/turn-ws-full-chatgpt")
PROFILE = load("codex@0.169.0")


def compressed(raw: bytes, **settings: Any) -> bytes:
    stream = zstandard.ZstdCompressor(**{"level": 3, **settings}).compressobj()
    return stream.compress(raw) + stream.flush()


def faults(recorded: Case, raw: bytes) -> list[Difference]:
    return check_request(PROFILE, recorded.observed(raw))


def only(differences: list[Difference]) -> Difference:
    (difference,) = differences
    return difference


RAW = dumps(TURN.data)


def test_the_right_settings_have_no_difference() -> None:
    assert faults(TURN, compressed(RAW, write_content_size=False)) == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (RAW, "body"),
        (zstandard.ZstdCompressor(level=3).compress(RAW), "content size"),
        (compressed(RAW, write_checksum=True), "checksum"),
        (compressed(RAW, level=19), "window"),
        (compressed(RAW) + compressed(b"{}"), "after the frame"),
        (compressed(RAW)[:-20], "body"),
        (compressed(RAW[:-1]), "body"),
        (compressed(json.dumps(TURN.data).encode()), "body"),
        (compressed(b"[]"), "body"),
        (b"", "body"),
    ],
)
def test_encoding_faults_are_named(body: bytes, path: str) -> None:
    found = faults(TURN, body)
    assert any(path in difference.path for difference in found)
    expected = {Layer.VALUE} if body == compressed(b"[]") else {Layer.ENCODING}
    assert expected <= {difference.layer for difference in found}


def test_a_frame_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprints.observed.MAX_BODY", 1000)
    assert any("more than 1000 bytes" in str(each) for each in faults(TURN, compressed(RAW)))


def test_an_api_key_request_must_not_be_compressed() -> None:
    key = case("0.169.0/turn-http-full-api-key")
    found = only(check_request(PROFILE, key.observed(compressed(dumps(key.data)))))
    assert (found.layer, found.expected, found.actual) == (
        Layer.ENCODING,
        "plain",
        "a zstd frame",
    )


def test_content_length_is_the_bodys() -> None:
    observed = TURN.observed()
    headers = [(k, "1" if k == "content-length" else v) for k, v in observed.headers]
    found = only(check_request(PROFILE, replace(observed, headers=headers)))
    assert (found.layer, found.kind) == (Layer.EQUALITY, "equality broken")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"http_version": "HTTP/3"}, "http_version"),
        ({"path": "/backend-api/codex/responses?x=1"}, "path"),
        ({"path": "/v1/responses"}, "header:chatgpt-account-id"),
    ],
)
def test_request_line_faults_are_named(change: dict[str, str], path: str) -> None:
    found = check_request(PROFILE, replace(TURN.observed(), **change))
    assert path in {difference.path for difference in found}


def test_an_unknown_request_is_one_difference_and_no_reading() -> None:
    for change in ({"method": "PUT"}, {"path": "/elsewhere"}, {"transport": "websocket"}):
        found, differences = inspect(PROFILE, replace(TURN.observed(), **change))
        assert found is None
        assert only(differences).kind == "unknown"


def test_a_given_kind_overrules_what_the_request_looks_like() -> None:
    found = check_request(PROFILE, TURN.observed(), kind="compaction")
    assert any(each.path.endswith("request_kind") for each in found)
    wrong = check_request(PROFILE, replace(TURN.observed(), path="/x"), kind="turn")
    assert only(wrong).path == "path"


def test_pseudo_headers_are_left_aside() -> None:
    observed = TURN.observed()
    headers = [(":method", "POST"), (":path", observed.path), *observed.headers]
    assert check_request(PROFILE, replace(observed, headers=headers)) == []


def test_a_moved_header_is_one_difference() -> None:
    headers = list(TURN.headers)
    headers.insert(0, headers.pop(headers.index(("accept", "text/event-stream"))))
    found = only(TURN.with_headers(headers).check())
    assert (found.layer, found.path) == (Layer.HEADER_ORDER, "header:accept")
    assert (found.expected, found.actual) == ("after thread-id", "first")


def test_a_value_that_disagrees_is_named_where_it_stands_alone() -> None:
    other = "01a1fc66-f5b8-7ef3-8ec8-1fdd21736230"
    headers = [(name, other if name == "session-id" else value) for name, value in TURN.headers]
    found = only(TURN.with_headers(headers).check())
    assert (found.layer, found.path, found.actual) == (Layer.EQUALITY, "header:session-id", other)


def test_a_subagent_needs_all_of_its_fields() -> None:
    """A role that stands in one place must stand in all of them."""
    data = json.loads(json.dumps(TURN.data))
    data["client_metadata"]["x-openai-subagent"] = "review"
    paths = {each.path for each in TURN.with_data(data).check()}
    assert "header:x-openai-subagent" in paths
    assert "header:x-codex-parent-thread-id" in paths
    assert "body:client_metadata.x-codex-turn-metadata.subagent_kind" in paths


def test_fields_of_a_subagent_alone_are_too_many() -> None:
    headers = list(TURN.headers)
    headers.insert(4, ("x-codex-parent-thread-id", headers[2][1].partition(":")[0]))
    found = TURN.with_headers(headers).check()
    assert [(each.layer, each.expected) for each in found] == [
        (Layer.HEADER_SET, "only with subagent")
    ]


def test_never_is_said() -> None:
    found = only(TURN.with_headers([*TURN.headers, ("accept-encoding", "gzip")]).check())
    assert (found.expected, found.rule) == ("never", "never.headers")
    found = only(TURN.with_data({**TURN.data, "temperature": 1}).check())
    assert (found.expected, found.rule) == ("never", "never.members")


def test_secrets_are_not_shown() -> None:
    token = "eyJ-secret-part"
    for bad in (f"Basic {token}", token):
        headers = [(k, bad if k == "authorization" else v) for k, v in TURN.headers]
        assert token not in str(TURN.with_headers(headers).check())
    unknown = [*TURN.headers, ("proxy-authorization", f"Basic {token}")]
    assert token not in str(TURN.with_headers(unknown).check())
    found, _ = inspect(PROFILE, TURN.observed())
    assert "made-up-token" not in repr(found)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\x00", '{"type":"response.cancel"}'])
def test_a_frame_that_is_no_message_is_differences(text: str) -> None:
    assert check_frame(PROFILE, text)


def test_a_compressed_frame_is_a_difference() -> None:
    assert check_frame(PROFILE, compressed(dumps(FRAME.data)))


def test_a_frame_without_a_named_sign_in_takes_the_nearest() -> None:
    assert check_frame(PROFILE, dumps(FRAME.data)) == []
    assert check_frame(PROFILE, dumps(FRAME.data), sign_in="api_key") != []


def test_metadata_text_must_be_compact_and_the_same_in_both_places() -> None:
    name = "x-codex-turn-metadata"
    spaced = [
        (key, value.replace(":", ": ") if key == name else value) for key, value in TURN.headers
    ]
    layers = {each.layer for each in TURN.with_headers(spaced).check()}
    assert {Layer.ENCODING, Layer.EQUALITY} <= layers
    broken = [(key, "{" if key == name else value) for key, value in TURN.headers]
    assert any(each.kind == "broken" for each in TURN.with_headers(broken).check())


def test_an_unknown_model_is_read_with_the_nearer_shape() -> None:
    def renamed(recorded: Case) -> Case:
        old = recorded.data["model"]
        text = dumps(recorded.data).decode().replace(old, "never-heard-of")
        headers = [(key, value.replace(old, "never-heard-of")) for key, value in recorded.headers]
        return recorded.with_data(json.loads(text)).with_headers(headers)

    assert renamed(TURN).check() == []
    assert renamed(LITE).check() == []


@given(st.permutations(list("abcdefg")))
def test_moved_names_the_fewest(actual: list[str]) -> None:
    names = moved("abcdefg", actual)
    kept = [name for name in actual if name not in {name for name, _, _ in names}]
    assert kept == sorted(kept)
    if len(names) > 1:  # fewer would not do: keeping any one of them breaks the order
        for name, _, _ in names:
            with_it = [each for each in actual if each in {*kept, name}]
            assert with_it != sorted(with_it)


@given(st.binary(max_size=60), st.sampled_from(["HTTP/1.1", "HTTP/2.0"]))
def test_any_body_gives_differences_and_no_exception(body: bytes, version: str) -> None:
    observed = replace(TURN.observed(), body=body, http_version=version)
    assert check_request(PROFILE, observed)


@given(
    st.lists(
        st.tuples(st.sampled_from([name for name, _ in TURN.headers]), st.text(max_size=20)),
        max_size=8,
    )
)
def test_any_headers_give_differences_and_no_exception(headers: list[tuple[str, str]]) -> None:
    assert check_request(PROFILE, Observed("POST", TURN.path, headers, TURN.written()))


def test_a_difference_reads_well() -> None:
    text = str(
        Difference(Layer.VALUE, "body:store", "value", "const false", "true", "documents.x store")  # type: ignore[arg-type]
    )
    assert text == "[value] body:store: value; expected const false; got true (documents.x store)"
