"""The shipped profiles are what `floway learn` makes of the committed traces and overlays."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import fingerprints
from fingerprints import library, trace_file
from fingerprints.learn import LearnedRelease, learn_release, overlay, shelf, vocabulary
from fingerprints.library import SHELF, available
from fingerprints.trace import Trace

TRACES = Path(fingerprints.__file__).parent / "traces" / "codex"
NAMES = [item.release for item in available() if item.client == "codex"]
PARAMETERS = [
    pytest.param(name, marks=[] if index == 0 else [pytest.mark.slow], id=name)
    for index, name in enumerate(NAMES)
]
"""The newest one in every run; the others take as long again."""

CLIENT = overlay.read(SHELF / "codex" / shelf.CLIENT_OVERLAY)


@cache
def traces(release: str) -> tuple[Trace, ...]:
    return tuple(trace_file.read(file) for file in trace_file.find([TRACES / release]))


@cache
def learned(release: str) -> LearnedRelease:
    own, shared = shelf.overlays_beside(SHELF / "codex" / f"{release}.yaml", SHELF / "codex")
    return learn_release(
        traces(release),
        vocabulary.load("codex"),
        release_overlay=own,
        client_overlay=shared,
        catalogue=shelf.catalogue_of(trace_file.find([TRACES / release])),
    )


@pytest.mark.parametrize("release", PARAMETERS)
def test_the_shipped_profile_is_learned_again_byte_for_byte(release: str) -> None:
    shipped = (SHELF / "codex" / f"{release}.yaml").read_text(encoding="utf-8")
    assert learned(release).text() == shipped


@pytest.mark.parametrize("release", PARAMETERS)
def test_nothing_is_left_unexplained_or_different(release: str) -> None:
    found = learned(release)
    assert [str(each) for each in found.remaining] == []
    assert [each.path for each in found.unexplained] == []
    assert found.inapplicable == ""


def test_every_profile_has_its_traces() -> None:
    assert sorted(NAMES) == sorted(folder.name for folder in TRACES.iterdir() if folder.is_dir())
    for release in NAMES:
        files = trace_file.find([TRACES / release])
        assert len(files) > 10
        profile = library.load(f"codex@{release}")
        assert len(profile.recorded.evidence) > 10


def test_what_is_committed_is_small() -> None:
    size = sum(file.stat().st_size for file in TRACES.rglob("*") if file.is_file())
    assert size < 8_500_000


@pytest.mark.slow
def test_every_entry_of_the_clients_overlay_matches_in_a_shipped_release() -> None:
    idle: set[str] | None = None
    for release in NAMES:
        draft = learned(release).draft
        _, found = overlay.apply(draft.profile, CLIENT)
        found += overlay.unused_acceptances(CLIENT, [each.path for each in draft.unexplained])
        idle = set(found) if idle is None else idle & set(found)
    assert idle == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "role"),
    [
        ("0.125.0", "thread_id"),
        ("0.142.0", "thread_id"),
        ("0.150.1", "session_id"),
        ("0.169.0", "session_id"),
    ],
)
def test_the_cache_keys_role_is_found_from_sub_agents(release: str, role: str) -> None:
    """In root threads both ids are one: only the reviews tell them apart."""
    members = learned(release).profile.documents["response_create"].members
    (key,) = [entry for entry in members if entry.name == "prompt_cache_key"]
    assert key.role == role
    assert key.reason.startswith(f"equal to {role} in all ")
