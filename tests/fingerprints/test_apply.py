"""What the applier makes is what the profile says, and nothing of the caller's is lost unsaid."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints import apply
from fingerprints.check import check_frame, check_request, inspect
from fingerprints.errors import (
    IllegalHeader,
    MissingRole,
    ProfileError,
    UnknownMembers,
)
from fingerprints.library import load
from fingerprints.profile import Profile, SignIn
from tests.fingerprints.recordings import Case, cases
from tests.fingerprints.values import BODY, THREAD, VALUES, bodies, observed, roles

NEW = load("codex@0.169.0")
OLD = load("codex@0.142.0")
PROFILES = {profile.release: profile for profile in (OLD, NEW)}
MODEL_KINDS = ("turn", "compaction")
REMADE = {*MODEL_KINDS, "prewarm", "upgrade"}

variants = st.tuples(
    st.sampled_from(sorted(PROFILES)),
    st.sampled_from(MODEL_KINDS),
    st.sampled_from(["full", "lite"]),
    st.sampled_from(["chatgpt", "api_key"]),
)


@given(variants, st.sampled_from(["HTTP/2.0", "HTTP/1.1"]), st.data())
@settings(max_examples=120, deadline=None)
def test_made_requests_check_clean(
    variant: tuple[str, str, str, SignIn], version: Any, data: st.DataObject
) -> None:
    release, kind, shape, sign_in = variant
    profile = PROFILES[release]
    body = data.draw(bodies(profile, kind, shape, unknown=True))
    before = copy.deepcopy(body)
    made = apply.request(
        profile,
        kind,
        shape=shape,
        sign_in=sign_in,
        roles=data.draw(roles(sign_in)),
        content=body,
        http_version=version,
    )
    assert body == before
    assert check_request(profile, observed(made), shape=shape) == []


@given(variants, st.data())
@settings(max_examples=80, deadline=None)
def test_made_messages_check_clean(
    variant: tuple[str, str, str, SignIn], data: st.DataObject
) -> None:
    release, kind, shape, sign_in = variant
    profile = PROFILES[release]
    kind = data.draw(st.sampled_from([kind, "prewarm"]))
    text = apply.frame(
        profile,
        kind,
        shape=shape,
        sign_in=sign_in,
        roles=data.draw(roles(sign_in)),
        content=data.draw(bodies(profile, kind, shape, unknown=True)),
        notes=[],
    )
    assert check_frame(profile, text, shape=shape, sign_in=sign_in) == []


@given(st.sampled_from(sorted(PROFILES)), st.sampled_from(["chatgpt", "api_key"]), st.data())
@settings(max_examples=40, deadline=None)
def test_made_upgrades_check_clean(release: str, sign_in: SignIn, data: st.DataObject) -> None:
    profile = PROFILES[release]
    values = {"model": "gpt-5.5", **data.draw(roles(sign_in))}
    made = apply.request(
        profile, "upgrade", transport="websocket", shape="full", sign_in=sign_in, roles=values
    )
    assert made.http_version == "HTTP/1.1"
    found = check_request(profile, observed(made))
    if "\x7f" in json.dumps(values, ensure_ascii=False):
        # An upgrade has no body that tells why its header had to go: the checker asks for it.
        found = [each for each in found if each.path != "header:x-codex-turn-metadata"]
    assert found == []


@pytest.mark.parametrize("release", sorted(PROFILES))
def test_every_side_call_checks_clean(release: str) -> None:
    profile = PROFILES[release]
    content = {
        "mcp": {"jsonrpc": "2.0", "id": 0, "method": "initialize"},
        "analytics": {"events": []},
        "refresh": {"client_id": "app_made_up", "grant_type": "refresh_token"},
    }
    made_kinds = 0
    for kind, forms in profile.requests.items():
        if "http" not in forms or kind in MODEL_KINDS:
            continue
        for sign_in in forms["http"].path:
            values = {**VALUES, "refresh_token": "r", "refresh_reason": "forced"}
            if sign_in == "api_key":
                values["access_token"] = "sk-made-up"
            made = apply.request(
                profile,
                kind,
                shape="full",
                sign_in=sign_in,
                roles=values,
                content=content.get(kind),
            )
            assert check_request(profile, observed(made)) == [], kind
            made_kinds += 1
    assert made_kinds > 6


@pytest.mark.parametrize(
    "recorded", [each for each in cases() if each.kind in REMADE], ids=lambda each: each.name
)
def test_a_recorded_request_is_made_again(recorded: Case) -> None:
    """Fed with a recording's own values, the applier makes that recording."""
    profile = recorded.profile
    values, metadata = own_values(recorded)
    arguments: dict[str, Any] = {
        "shape": recorded.shape,
        "sign_in": recorded.sign_in,
        "roles": values,
    }
    if recorded.is_frame:
        notes: list[apply.Note] = []
        made = apply.frame(profile, recorded.kind, **arguments, content=recorded.data, notes=notes)
        data = json.loads(made)
        assert notes == []
    else:
        whole = apply.request(
            profile,
            recorded.kind,
            transport=recorded.transport,
            **arguments,
            content=recorded.data,
            http_version=recorded.http_version,  # type: ignore[arg-type]
        )
        assert whole.notes == []
        assert (whole.method, whole.path) == (recorded.method, recorded.path)
        assert whole.headers == list(recorded.observed(whole.body).headers)
        data = whole.data
    assert data == recorded.data
    assert list(data or {}) == list(recorded.data or {})
    if data and metadata:
        assert list(json.loads(data["client_metadata"]["x-codex-turn-metadata"])) == list(metadata)


def own_values(recorded: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """The role values of a recording, and its turn metadata."""
    profile = recorded.profile
    if recorded.is_frame:
        values: dict[str, Any] = {}
        text = recorded.data["client_metadata"]["x-codex-turn-metadata"]
    else:
        found, _ = inspect(profile, recorded.observed(), shape=recorded.shape)
        assert found is not None
        values = dict(found.roles)
        text = dict(recorded.headers).get("x-codex-turn-metadata")
        text = text or recorded.data["client_metadata"]["x-codex-turn-metadata"]
    metadata: dict[str, Any] = json.loads(text)
    places = [(profile.documents["turn_metadata"], metadata)]
    if recorded.data is not None:
        places.append((profile.documents["client_metadata"], recorded.data["client_metadata"]))
        places.append((profile.documents["response_create"], recorded.data))
    for document, members in places:
        for entry in document.members:
            if entry.role is not None and entry.name in members:
                values[entry.role] = members[entry.name]
    values["window_number"] = int(metadata["window_id"].rpartition(":")[2])
    return values, metadata


@pytest.mark.parametrize(("mine", "other"), [(OLD, NEW), (NEW, OLD)])
def test_one_release_fails_the_other(mine: Profile, other: Profile) -> None:
    made = apply.request(mine, "turn", shape="full", sign_in="chatgpt", roles=VALUES, content=BODY)
    layers = {difference.layer for difference in check_request(other, observed(made))}
    assert {"value", "member_presence", "member_order"} <= layers


def test_what_is_always_sent_must_have_a_value() -> None:
    for role in ("session_id", "thread_id", "os", "access_token", "turn_id", "window_number"):
        with pytest.raises(MissingRole) as caught:
            apply.request(
                NEW,
                "turn",
                shape="full",
                sign_in="chatgpt",
                roles={**VALUES, role: None},
                content=BODY,
            )
        assert role in caught.value.role
        assert role in str(caught.value)
    with pytest.raises(MissingRole, match="body:input"):
        apply.body(
            NEW, "turn", shape="full", sign_in="chatgpt", roles=VALUES, content={"model": "x"}
        )


def test_what_is_sometimes_sent_is_left_out_without_a_value() -> None:
    values = {**VALUES, "turn_trigger": None, "turn_state": None, "service_tier": None}
    made = apply.request(NEW, "turn", shape="full", sign_in="chatgpt", roles=values, content=BODY)
    headers = dict(made.headers)
    assert "x-codex-turn-state" not in headers
    assert "turn_trigger" not in json.loads(headers["x-codex-turn-metadata"])
    assert headers["x-codex-routing-hint"] == "model=gpt-5.5"


def test_a_chosen_tier_is_in_body_and_hint() -> None:
    body = {**BODY, "service_tier": "flex"}
    made = apply.request(NEW, "turn", shape="full", sign_in="chatgpt", roles=VALUES, content=body)
    assert list(made.data or {})[:3] == ["model", "stream", "service_tier"]
    assert dict(made.headers)["x-codex-routing-hint"] == "model=gpt-5.5;tier=flex"


def test_effort_of_the_caller_is_in_body_and_metadata() -> None:
    body = {**BODY, "reasoning": {"effort": "high"}}
    made = apply.request(NEW, "turn", shape="full", sign_in="chatgpt", roles=VALUES, content=body)
    metadata = json.loads(dict(made.headers)["x-codex-turn-metadata"])
    assert metadata["reasoning_effort"] == "high"
    assert made.data is not None
    assert made.data["reasoning"] == {"effort": "high"}


def test_role_beats_content_and_content_beats_the_model() -> None:
    def effort(roles: dict[str, Any], content: dict[str, Any]) -> Any:
        made = apply.body(
            NEW,
            "turn",
            shape="lite",
            sign_in="chatgpt",
            roles={**VALUES, **roles},
            content={**BODY, "model": "gpt-6.1-sol", **content},
        )
        return made["reasoning"]["effort"]

    assert effort({}, {}) == "low"
    assert effort({}, {"reasoning": {"effort": "high"}}) == "high"
    assert effort({"reasoning_effort": "xhigh"}, {"reasoning": {"effort": "high"}}) == "xhigh"


def test_the_cache_key_follows_the_release() -> None:
    """Recorded with a sub-agent: thread id in 0.142.0, session id in 0.169.0."""
    values = {
        **VALUES,
        "thread_id": "01a1fc67-3f69-7482-8f69-e6150f396f63",
        "subagent": "review",
        "subagent_kind": "review",
        "parent_thread_id": THREAD,
        "parent_turn_id": VALUES["turn_id"],
    }
    keys = {
        profile.release: apply.body(
            profile, "turn", shape="full", sign_in="chatgpt", roles=values, content=BODY
        )["prompt_cache_key"]
        for profile in PROFILES.values()
    }
    assert keys == {"0.142.0": values["thread_id"], "0.169.0": THREAD}


def test_unknown_members_are_reported_or_kept_never_lost() -> None:
    content = {
        **BODY,
        "temperature": 1,
        "reasoning": {"budget": 5},
        "client_metadata": {"mine": "x"},
        "store": True,
    }
    arguments: dict[str, Any] = {
        "shape": "full",
        "sign_in": "chatgpt",
        "roles": VALUES,
        "content": content,
    }
    notes: list[apply.Note] = []
    reported = apply.body(NEW, "turn", **arguments, unknown="report", notes=notes)
    said = {note.path: note.action for note in notes}
    assert said == {
        "temperature": "left out",
        "reasoning.budget": "left out",
        "client_metadata.mine": "left out",
        "store": "overridden",
    }
    assert "temperature" not in reported
    assert reported["store"] is False

    kept = apply.body(NEW, "turn", **arguments, unknown="keep")
    assert list(kept)[-1] == "temperature"
    assert kept["reasoning"] == {"effort": "medium", "budget": 5}
    assert kept["client_metadata"]["mine"] == "x"

    with pytest.raises(UnknownMembers, match=r"temperature.*notes") as caught:
        apply.body(NEW, "turn", **arguments, unknown="report")
    assert set(caught.value.paths) == {"temperature", "reasoning.budget", "client_metadata.mine"}


def test_a_member_that_should_be_an_object_is_reported() -> None:
    notes: list[apply.Note] = []
    made = apply.body(
        NEW,
        "turn",
        shape="full",
        sign_in="chatgpt",
        roles=VALUES,
        content={**BODY, "text": "short"},
        unknown="report",
        notes=notes,
    )
    assert made["text"] == {"verbosity": "low"}
    assert [note.path for note in notes] == ["text"]


def test_tools_in_the_wrong_place_are_reported() -> None:
    """A lite body has its tools in the input; bringing them there is the caller's work."""
    notes: list[apply.Note] = []
    apply.body(
        NEW,
        "turn",
        shape="lite",
        sign_in="chatgpt",
        roles=VALUES,
        content={**BODY, "tools": [], "instructions": "x"},
        unknown="report",
        notes=notes,
    )
    assert {note.path for note in notes} == {"tools", "instructions"}


def test_a_member_of_one_place_stays_out_of_the_other() -> None:
    """As 0.147.0 has ``code_mode_tool_names`` in the body's copy of the metadata only."""
    data = NEW.as_data()
    added = {"name": "placed", "value": {"const": "x"}, "when": {"place": ["body"]}}
    data["documents"]["turn_metadata"]["members"].insert(2, added)
    profile = Profile.model_validate(data)
    made = apply.request(
        profile, "turn", shape="full", sign_in="chatgpt", roles=VALUES, content=BODY
    )
    text = "x-codex-turn-metadata"
    in_header = json.loads(dict(made.headers)[text])
    assert made.data is not None
    in_body = json.loads(made.data["client_metadata"][text])
    assert in_body.pop("placed") == "x"
    assert list(in_header) == list(in_body)
    found = check_request(profile, observed(made))
    assert [each for each in found if not each.path.startswith("body:input")] == []


def test_metadata_that_http_cannot_hold_stays_out_of_the_header() -> None:
    """Recorded: a folder's name with U+007F keeps the metadata out of the header only."""
    values = {**VALUES, "workspaces": {"/project/grüße 🎉\x7f": {}}}
    made = apply.request(NEW, "turn", shape="full", sign_in="chatgpt", roles=values, content=BODY)
    assert "x-codex-turn-metadata" not in dict(made.headers)
    assert made.data is not None
    text = made.data["client_metadata"]["x-codex-turn-metadata"]
    assert '"/project/gr\\u00fc\\u00dfe \\ud83c\\udf89\x7f"' in text
    found = check_request(NEW, observed(made))
    assert [each for each in found if not each.path.startswith("body:input")] == []


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\x00", "日本"])
def test_a_value_that_breaks_the_header_is_refused(value: str) -> None:
    with pytest.raises(IllegalHeader, match="header:authorization"):
        apply.headers(
            NEW,
            "models",
            shape="full",
            sign_in="chatgpt",
            roles={**VALUES, "access_token": value},
        )


def test_headers_and_body_apart_agree_with_the_whole() -> None:
    whole = apply.request(NEW, "turn", shape="lite", sign_in="chatgpt", roles=VALUES, content=LITE)
    body = apply.body(NEW, "turn", shape="lite", sign_in="chatgpt", roles=VALUES, content=LITE)
    raw = apply.encode(NEW, "turn", sign_in="chatgpt", raw=apply.dumps(body))
    headers = apply.headers(
        NEW,
        "turn",
        shape="lite",
        sign_in="chatgpt",
        roles={**VALUES, "model": LITE["model"]},
        content_length=len(raw),
    )
    assert body == whole.data
    assert raw == whole.body
    assert headers == whole.headers


LITE = {**BODY, "model": "gpt-6.1-sol"}


def test_api_key_bodies_are_plain() -> None:
    assert apply.encode(NEW, "turn", sign_in="api_key", raw=b"{}") == b"{}"


@pytest.mark.parametrize(
    ("kind", "transport", "shape", "message"),
    [
        ("nope", "http", "full", r"no request 'nope'.*turn"),
        ("prewarm", "http", "full", r"'prewarm' over http.*websocket"),
        ("turn", "http", "round", r"no shape 'round'.*full"),
        ("turn", "websocket", "full", r"a message, not a request.*frame"),
    ],
)
def test_unknown_words_are_named(kind: str, transport: Any, shape: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        apply.request(NEW, kind, transport=transport, shape=shape, sign_in="chatgpt", roles=VALUES)


def test_a_kind_without_this_sign_in_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"no 'usage' with sign-in 'api_key'"):
        apply.request(NEW, "usage", shape="full", sign_in="api_key", roles=VALUES)
