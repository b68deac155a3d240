"""Which role a field shows, where recordings tell and where they do not."""

from __future__ import annotations

from fingerprints.learn import learn_release
from fingerprints.learn.naming import fits
from fingerprints.library import load
from fingerprints.profile import Entry, Profile
from tests.fingerprints.learn.made_up import VOCABULARY, recordings

ROOTS = [trace for trace in recordings() if trace.scenario != "review"]


def entry(profile: Profile, where: str, name: str) -> Entry:
    listed = (
        profile.headers[where] if where in profile.headers else profile.documents[where].members
    )
    return next(each for each in listed if each.name == name)


def test_root_threads_do_not_tell_the_session_from_the_thread() -> None:
    found = entry(learn_release(ROOTS, VOCABULARY).profile, "ask", "cache_key")
    assert found.role == "thread_id"
    assert found.reason == "thread_id by its name; recordings do not tell it from session_id"


def test_sub_agents_do() -> None:
    profile = learn_release(recordings(), VOCABULARY).profile
    assert entry(profile, "ask", "cache_key").role == "thread_id"
    assert entry(profile, "ask", "cache_key").reason.startswith("equal to thread_id in all ")
    assert entry(profile, "turn", "x-session").role == "session_id"


def test_a_field_that_disagrees_with_its_role_once_is_equal_to_nothing() -> None:
    """Recorded: the terminal UI's first call has one surface here and another in its user agent."""
    profile = load("codex@0.142.0")
    assert not entry(profile, "models", "originator").equal
    assert entry(profile, "responses", "originator").equal


def test_a_value_fits_a_role_by_its_shape() -> None:
    assert fits("thread_id", "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70")
    assert not fits("thread_id", "01a1fc65")
    assert not fits("thread_id", "")
    assert not fits("thread_id", None)
    assert fits("window_number", 3)
    assert fits("auto_review_enabled", False)
