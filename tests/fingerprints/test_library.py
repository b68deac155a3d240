"""Finding and reading profiles; every error names file, line, field and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints import library
from fingerprints.errors import ProfileError
from fingerprints.library import available, load, parse, release_key
from fingerprints.profile import Profile

SHELVED = [item.name for item in available()]


def text_of(name: str) -> str:
    file = next(item.file for item in available() if item.name == name)
    return file.read_text(encoding="utf-8")


def test_shipped_profiles() -> None:
    assert SHELVED == ["codex@0.169.0", "codex@0.150.1", "codex@0.142.0", "codex@0.125.0"]
    assert load("codex@latest").name == "codex@0.169.0"
    assert load("codex@0.142.0").release == "0.142.0"


def test_loading_is_cached_until_the_file_changes(tmp_path: Path) -> None:
    assert load("codex@0.169.0") is load("codex@latest")
    file = tmp_path / "mine.yaml"
    file.write_text(text_of("codex@0.142.0"), encoding="utf-8")
    first = load(file)
    assert load(str(file)) is first
    file.write_text(
        text_of("codex@0.142.0").replace("release: 0.142.0", "release: 0.142.10"), encoding="utf-8"
    )
    assert load(file).release == "0.142.10"


@pytest.mark.parametrize("name", SHELVED)
def test_a_profile_survives_writing_and_reading(name: str) -> None:
    profile = load(name)
    again = Profile.model_validate(profile.as_data())
    assert again.model_dump() == profile.model_dump()


@pytest.mark.parametrize("name", SHELVED)
def test_every_field_says_why(name: str) -> None:
    profile = load(name)
    fields = [field for fields in profile.headers.values() for field in fields]
    fields += [field for document in profile.documents.values() for field in document.members]
    assert [field.name for field in fields if not field.reason] == []
    named = {name for field in fields for name in field.evidence}
    named |= {
        name for forms in profile.requests.values() for f in forms.values() for name in f.evidence
    }
    assert named <= profile.recorded.evidence.keys()


@pytest.mark.parametrize("name", SHELVED)
def test_no_official_text_is_kept(name: str) -> None:
    assert max(len(line) for line in text_of(name).splitlines()) < 320


def test_shape_by_model() -> None:
    profile = load("codex@0.169.0")
    assert profile.shape("gpt-6.1-sol") == "lite"
    assert profile.shape("gpt-5.6-terra") == "lite"
    assert profile.shape("gpt-5.5") == "full"
    assert profile.shape("never-heard-of") == "full"
    assert profile.model("gpt-daybreak-red-latest").defaults["verbosity"] == "high"
    for number in range(3000):  # a caller may send any slug; the memory of them is bounded
        profile.shape(f"gpt-{number}")
    assert profile.shape("gpt-6.1-sol") == "lite"
    assert len(profile._rules) <= 1024


@pytest.mark.parametrize("name", ["codex@9.9.9", "cursor@latest", "codex", "codex@"])
def test_unknown_names_list_what_exists(name: str) -> None:
    with pytest.raises(ProfileError, match=r"codex@0\.169\.0, codex@0\.150\.1, codex@0\.142\.0"):
        load(name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"gone\.yaml: cannot be read: No such file"):
        load(tmp_path / "gone.yaml")


BROKEN = [
    # what is replaced, with what, field, words of the message
    ("role: session_id", "role: sesion_id", r"headers\.responses\[\d+\]", "sesion_id.*roles.py"),
    (
        "{name: session-id, value: {uuid: 7}",
        "{name: session-id, value: {guid: 7}",
        r"headers\.responses\[\d+\]\.value",
        "no matcher is called 'guid'.*uuid",
    ),
    ("value: time_ms", "value: const", r"documents\..*value", "'const' needs an argument"),
    ("presence: sometimes", "presence: often", r"headers\.responses\[2\]\.presence", "always"),
    ("shape: lite\n", "shape: light\n", r"models\[\d+\]\.shape", "no shape 'light'"),
    (
        "headers: upgrade",
        "headers: upgraed",
        r"requests\.upgrade\.websocket\.headers",
        "no header list 'upgraed'",
    ),
    (
        "{document: reasoning}",
        "{document: thinking}",
        r"documents\.response_create\.members\[\d+\]\.value",
        "no document 'thinking'",
    ),
    (
        "kind: [prewarm]",
        "kind: [prewam]",
        r"documents\..*\.when\.kind",
        "'prewam' is not one of.*prewarm",
    ),
    ("format: 1", "format: 2", "format", "Input should be 1"),
    ("reason: ", "raeson: ", r"shapes\.full\.raeson", "Extra inputs"),
    ("match: ['*']", "match: ['gpt*']", r"models\[\d+\]\.match", "the last rule must match"),
]


@pytest.mark.parametrize(("old", "new", "field", "words"), BROKEN)
def test_a_wrong_field_is_named_with_its_line(
    old: str, new: str, field: str, words: str, tmp_path: Path
) -> None:
    text = text_of("codex@0.169.0")
    assert old in text
    file = tmp_path / "broken.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load(file)
    error = caught.value
    assert error.file == file
    assert str(error).startswith(f"broken.yaml:{error.line}")
    assert re.search(words, str(error))
    assert re.fullmatch(field, error.field)
    changed = text.replace(old, new, 1).splitlines()
    wrong = next(
        number
        for number, (before, after) in enumerate(zip(text.splitlines(), changed, strict=True), 1)
        if before != after
    )
    assert error.line is not None
    assert wrong - 6 <= error.line <= wrong  # an entry of several lines is named by its first


def test_broken_yaml_is_named_with_its_line() -> None:
    with pytest.raises(ProfileError) as caught:
        parse(b"format: 1\nclient: [codex\nrelease: 1\n", Path("x.yaml"))
    assert caught.value.line in (2, 3)
    assert "not YAML" in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"- 1", b"just words", b"\xff\xfe\x00", b"a: \x00"])
def test_what_is_no_map_is_refused(text: bytes) -> None:
    with pytest.raises(ProfileError, match=r"not YAML|must be a map"):
        parse(text, Path("x.yaml"))


def test_repeated_keys_are_refused() -> None:
    with pytest.raises(ProfileError, match=r"not YAML.*duplicate key"):
        parse(b"format: 1\nformat: 1\n", Path("x.yaml"))


def test_releases_sort_by_number() -> None:
    releases = ["0.9.0", "0.142.0", "0.142.0-alpha.1", "0.169.0", "0.20.0", "1.0.0"]
    assert sorted(releases, key=release_key) == [
        "0.9.0",
        "0.20.0",
        "0.142.0-alpha.1",
        "0.142.0",
        "0.169.0",
        "1.0.0",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_profile_or_a_profile_error(text: bytes) -> None:
    with pytest.raises(ProfileError):
        library.parse(text)
