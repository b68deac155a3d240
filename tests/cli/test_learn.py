"""``floway learn`` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingerprints import trace_file
from fingerprints.library import load
from fingerprints.trace import Trace
from tests.fingerprints.learn.made_up import VOCABULARY, recordings


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """The made-up client's vocabulary as a file."""
    file = tmp_path / "words.yaml"
    file.write_text(VOCABULARY.model_dump_json(by_alias=True), encoding="utf-8")
    return file


def written(traces: list[Trace], folder: Path) -> Path:
    for trace in traces:
        trace_file.write(trace, folder)
    return folder


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    return written(recordings(runs=1), tmp_path / "traces")


def test_recordings_become_a_profile(floway, traces: Path, words: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "1.2.3.yaml"
    held = written(recordings(seed=2, runs=1), tmp_path / "held")
    code, text, err = floway(
        "learn", str(traces), "--vocabulary", str(words), "--out", str(out), "--check", str(held)
    )
    assert (code, err) == (0, "")
    assert load(out).name == "acme@1.2.3"
    assert "8 recordings" in text
    assert "8 held back" in text
    assert "labels.again: found: equal to thread_id" in text
    assert "elsewhere.example (8)" in text
    assert "documents.x_meta.trace: no role" in text
    assert "cannot be applied" in text


def test_a_recording_that_is_different_fails(
    floway, traces: Path, words: Path, tmp_path: Path
) -> None:
    (trace, *_) = recordings(seed=2)
    exchange = trace.exchanges[1]
    other = exchange.model_copy(update={"headers": (*exchange.headers, ("x-new", "1"))})
    strange = trace.model_copy(update={"exchanges": (other,)})
    held = written([strange], tmp_path / "held")
    code, text, _ = floway("learn", str(traces), "--vocabulary", str(words), "--check", str(held))
    assert code == 1
    assert "differences between recordings and what was learned" in text
    assert "header:x-new: added" in text


def test_a_field_is_explained(floway, traces: Path, words: Path) -> None:
    code, text, _ = floway(
        "learn", str(traces), "--vocabulary", str(words), "--explain", "turn.x-small"
    )
    assert code == 0
    assert "headers.turn.x-small  const 1" in text
    assert "when: shape small" in text
    assert "presence: always: 10 of 10" in text
    assert "acme@1.2.3/turn-http-chatgpt-tiny#1" in text


def test_an_unknown_field_cannot_be_explained(floway, traces: Path, words: Path) -> None:
    code, _, err = floway("learn", str(traces), "--vocabulary", str(words), "--explain", "nope")
    assert code == 1
    assert "no field is called 'nope'" in err


def test_one_recording_is_refused(floway, tmp_path: Path, words: Path) -> None:
    folder = written(recordings()[:1], tmp_path / "one")
    code, _, err = floway("learn", str(folder), "--vocabulary", str(words))
    assert code == 1
    assert "1 recording is not enough" in err


def test_an_overlay_beside_the_profile_is_applied(
    floway, traces: Path, words: Path, tmp_path: Path
) -> None:
    out = tmp_path / "1.2.3.yaml"
    overlay = tmp_path / "1.2.3.overlay.yaml"
    overlay.write_text('reasons: {"headers.turn.x-small": small models}\n', encoding="utf-8")
    arguments = ("learn", str(traces), "--vocabulary", str(words), "--out", str(out))
    assert floway(*arguments)[0] == 0
    (small,) = [each for each in load(out).headers["turn"] if each.name == "x-small"]
    assert small.reason == "small models"
    overlay.write_text('reasons: {"headers.turn.nope": x}\n', encoding="utf-8")
    code, _, err = floway(*arguments)
    assert code == 1
    assert "reasons: headers.turn.nope" in err


@pytest.mark.parametrize("text", ["reasons: [", "reasons: 5", "nope: {}"])
def test_a_broken_overlay_is_named(
    floway, traces: Path, words: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "x.overlay.yaml").write_text(text, encoding="utf-8")
    code, _, err = floway(
        "learn", str(traces), "--vocabulary", str(words), "--out", str(tmp_path / "x.yaml")
    )
    assert code == 1
    assert "x.overlay.yaml" in err


@pytest.mark.parametrize("text", ["kinds: [", "kinds: 5", "client: acme\nopaque: [nobody]"])
def test_a_broken_vocabulary_is_named(floway, traces: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")
    code, _, err = floway("learn", str(traces), "--vocabulary", str(file))
    assert code == 1
    assert "broken.yaml" in err


@pytest.mark.parametrize("text", ["[", "{}", '{"models": [{}]}'])
def test_a_broken_catalogue_is_named(floway, traces: Path, words: Path, text: str) -> None:
    (traces / "acme" / "1.2.3" / "catalogue.json").write_text(text, encoding="utf-8")
    code, _, err = floway("learn", str(traces), "--vocabulary", str(words))
    assert code == 1
    assert "catalogue.json" in err
