"""A made-up client learned: the rules that it was made with are found, and no others."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from fingerprints.errors import ProfileError, TraceError
from fingerprints.learn import LearnedRelease, learn_release
from fingerprints.learn.overlay import Overlay
from fingerprints.learn.verify import verify
from fingerprints.library import parse
from fingerprints.matchers import compact
from fingerprints.profile import Entry, Presence
from fingerprints.serial import ascii_text, loads
from fingerprints.trace import Exchange, Trace
from tests.fingerprints.learn.made_up import RELEASE, VOCABULARY, Run, recordings, trace

TRACES = recordings()
LEARNED: LearnedRelease = learn_release(TRACES, VOCABULARY)
PROFILE = LEARNED.profile


def entries(where: str, name: str) -> list[Entry]:
    listed = (
        PROFILE.headers[where] if where in PROFILE.headers else PROFILE.documents[where].members
    )
    return [entry for entry in listed if entry.name == name]


def only(where: str, name: str) -> Entry:
    (entry,) = entries(where, name)
    return entry


def facts(entry: Entry) -> tuple[Any, str | None, str, dict[str, Any]]:
    when = entry.when.model_dump(exclude_defaults=True)
    return compact(entry.value), entry.role, str(entry.presence), when


def test_every_recording_is_what_was_learned_from_them() -> None:
    assert [str(each) for each in LEARNED.remaining] == []
    assert LEARNED.draft.recordings.foreign == {"elsewhere.example": len(TRACES)}


def test_recordings_held_back_are_too() -> None:
    assert [str(each) for each in verify(PROFILE, recordings(seed=2), VOCABULARY)] == []


def test_the_same_traces_in_any_order_give_the_same_bytes() -> None:
    shuffled = list(TRACES)
    random.Random(5).shuffle(shuffled)
    assert learn_release(shuffled, VOCABULARY).text() == LEARNED.text()


def test_the_text_is_the_profile() -> None:
    assert parse(LEARNED.text().encode()).as_data() == PROFILE.as_data()


@pytest.mark.parametrize(
    ("where", "name", "value", "role", "presence", "when"),
    [
        ("turn", "x-version", "version", None, "always", {}),
        ("turn", "x-product", {"template": "acme/{version} (cli)"}, None, "always", {}),
        ("turn", "x-thread", {"uuid": 7}, "thread_id", "always", {}),
        ("turn", "x-session", {"uuid": 7}, "session_id", "always", {}),
        ("turn", "x-small", {"const": "1"}, None, "always", {"shape": ("small",)}),
        ("turn", "x-agent", "text", "subagent", "sometimes", {}),
        ("turn", "host", "text", "authority", "always", {"http": ("HTTP/1.1",)}),
        ("turn", "content-encoding", {"const": "zstd"}, None, "always", {"sign_in": ("chatgpt",)}),
        ("turn", "authorization", {"template": "Bearer {access_token}"}, None, "always", {}),
        ("ask", "type", {"const": "ask"}, None, "always", {"transport": ("websocket",)}),
        ("ask", "store", {"const": False}, None, "always", {}),
        ("ask", "cache_key", {"uuid": 7}, "thread_id", "always", {}),
        ("ask", "state", "opaque", "turn_state", "sometimes", {}),
        ("ask", "labels", {"document": "labels"}, None, "always", {"transport": ("http",)}),
        ("x_meta", "session", {"uuid": 7}, "session_id", "always", {}),
        ("x_meta", "parent", {"uuid": 7}, "parent_thread_id", "always", {"has": ("subagent",)}),
        ("x_meta", "mode", "text", "sandbox_mode", "always", {}),
        ("x_meta", "started", "time_ms", None, "always", {}),
        ("limits", "rounds", {"const": 3}, None, "always", {}),
        ("labels", "window", {"template": "{thread_id}:{window_number}"}, None, "always", {}),
        ("labels", "again", {"uuid": 7}, "thread_id", "always", {}),
        ("labels", "build", {"const": "stable"}, None, "always", {}),
        ("models", "accept", {"const": "*/*"}, None, "always", {}),
    ],
)
def test_a_rule_is_found(
    where: str, name: str, value: Any, role: str | None, presence: str, when: dict[str, Any]
) -> None:
    assert facts(only(where, name)) == (value, role, presence, when)


def test_values_that_a_condition_tells_apart_are_entries_of_their_own() -> None:
    found = {
        (str(compact(each.value)), tuple(each.when.kind)) for each in entries("x_meta", "kind")
    }
    assert found == {("{'const': 'turn'}", ("turn",)), ("{'const': 'summary'}", ("summary",))}
    deep = {(str(compact(each.value)), each.when.shape) for each in entries("limits", "deep")}
    assert deep == {("{'const': False}", ("small",)), ("{'const': True}", ("full",))}


def test_a_place_that_depends_on_the_sign_in_is_two_places() -> None:
    names = [entry.name for entry in PROFILE.headers["turn"]]
    assert [each.when.sign_in for each in entries("turn", "x-meta")] == [("api_key",), ("chatgpt",)]
    assert names[names.index("x-product") + 1] == "x-meta"
    assert names[names.index("authorization") + 1] == "x-meta"


def test_what_has_no_order_is_said_to_have_none() -> None:
    assert PROFILE.requests["turn"]["http"].unordered == (("x-a", "x-b", "x-c"),)
    assert PROFILE.documents["labels"].order == "free"
    assert PROFILE.documents["labels"].strings
    assert PROFILE.documents["ask"].order == "fixed"


def test_members_stand_in_their_order() -> None:
    names = list(dict.fromkeys(entry.name for entry in PROFILE.documents["ask"].members))
    assert names == [
        "type",
        "model",
        "input",
        "store",
        "state",
        "cache_key",
        "limits",
        "meta",
        "labels",
    ]


def test_an_equality_that_nothing_names_is_found_and_explained() -> None:
    found = only("labels", "again")
    assert "found: equal to thread_id" in found.reason


def test_presence_that_no_condition_explains_says_what_is_known() -> None:
    assert only("ask", "state").reason != ""
    assert only("turn", "x-agent").presence is Presence.SOMETIMES


def test_what_nothing_explains_is_listed_with_its_evidence() -> None:
    paths = {each.path for each in LEARNED.unexplained}
    assert paths == {
        "documents.x_meta.trace",
        "documents.x_meta.started",
        "headers.models.x-request",
    }
    each = next(each for each in LEARNED.unexplained if each.path == "documents.x_meta.trace")
    assert each.examples
    assert len(each.recordings) == len(TRACES)
    assert "always sent, and nothing says with what" in LEARNED.inapplicable


def test_a_call_beside_passes_on_what_is_not_explained() -> None:
    entry = only("models", "x-request")
    assert entry.presence is Presence.SOMETIMES
    assert "not known" in entry.reason


def test_forms() -> None:
    turn = PROFILE.requests["turn"]["http"]
    assert turn.path == {"chatgpt": ("/api/answer",), "api_key": ("/v1/answer",)}
    assert turn.http == ("HTTP/2.0", "HTTP/1.1")
    (encoding,) = turn.encodings
    assert (encoding.level, encoding.window) == (3, 2**21)
    assert encoding.when.sign_in == ("chatgpt",)
    assert PROFILE.requests["summary"]["http"].marks == {"body:meta.kind": "summary"}
    assert PROFILE.requests["models"]["http"].path == {
        "chatgpt": ("/api/list?v={version}",),
        "api_key": ("/api/list?v={version}",),
    }
    assert PROFILE.requests["upgrade"]["websocket"].http == ("HTTP/1.1",)
    assert [entry.name for entry in PROFILE.headers["upgrade"]][:2] == ["Host", "Upgrade"]


def test_models_and_shapes() -> None:
    assert list(PROFILE.shapes) == ["full", "small"]
    assert PROFILE.shape("tiny") == "small"
    assert PROFILE.shape("large") == "full"
    assert PROFILE.shape("unseen") == "full"


def test_never_is_what_no_recording_has() -> None:
    assert PROFILE.never.headers == ("x-never",)
    assert PROFILE.never.members == ("user",)


def test_evidence_names_recordings_and_counts() -> None:
    (found,) = LEARNED.evidence("turn.x-small")
    assert found.seen == found.of == 20
    assert {name.rpartition("#")[0].rpartition("-")[2] for name in found.recordings} == {"tiny"}
    assert not found.everywhere
    assert only("turn", "x-small").seen == "20/20"
    assert len(LEARNED.evidence("documents.x_meta")) == len(PROFILE.documents["x_meta"].members)


# --- what was learned refuses what the client does not do -----------------------------------------


def first_turn(found: Trace) -> Exchange:
    return found.exchanges[1]


def changed(found: Trace, exchange: Exchange) -> Trace:
    exchanges = (found.exchanges[0], exchange, *found.exchanges[2:])
    return found.model_copy(update={"exchanges": exchanges})


def with_data(exchange: Exchange, data: Any) -> Exchange:
    assert exchange.body is not None
    return exchange.model_copy(update={"body": exchange.body.model_copy(update={"data": data})})


def differences(found: Trace) -> list[str]:
    return [str(each.difference) for each in verify(PROFILE, [found], VOCABULARY)]


HELD_BACK = trace(Run(random.Random(9)), 9)
TURN = first_turn(HELD_BACK)


def test_the_recording_that_is_changed_below_is_clean() -> None:
    assert differences(HELD_BACK) == []


@pytest.mark.parametrize("name", [name for name, _ in TURN.headers])
def test_a_header_dropped_renamed_or_recased_is_told(name: str) -> None:
    rest = tuple(pair for pair in TURN.headers if pair[0] != name)
    renamed = tuple((f"{key}-x" if key == name else key, value) for key, value in TURN.headers)
    cased = tuple((key.upper() if key == name else key, value) for key, value in TURN.headers)
    for headers in (rest, renamed, cased):
        mutant = TURN.model_copy(update={"headers": headers})
        assert differences(changed(HELD_BACK, mutant))


@pytest.mark.parametrize("name", ["x-version", "x-session", "authorization", "content-length"])
def test_a_header_moved_is_told(name: str) -> None:
    moved = [pair for pair in TURN.headers if pair[0] != name]
    place = 0 if TURN.headers[0][0] != name else len(moved)
    moved.insert(place, next(pair for pair in TURN.headers if pair[0] == name))
    mutant = TURN.model_copy(update={"headers": tuple(moved)})
    assert differences(changed(HELD_BACK, mutant))


@pytest.mark.parametrize(
    "name", [name for name in TURN.body.data if name != "state"] if TURN.body else []
)
def test_a_member_dropped_renamed_or_retyped_is_told(name: str) -> None:
    assert TURN.body is not None
    data = TURN.body.data
    dropped = {key: value for key, value in data.items() if key != name}
    renamed = {f"{key}_x" if key == name else key: value for key, value in data.items()}
    retyped = {**data, name: None}
    for mutant in (dropped, renamed, retyped):
        assert differences(changed(HELD_BACK, with_data(TURN, mutant)))


@pytest.mark.parametrize("name", ["session", "turn_id", "kind", "mode", "started", "trace"])
def test_a_change_inside_the_text_is_told(name: str) -> None:
    assert TURN.body is not None
    text = loads(TURN.body.data["meta"])
    for mutant in (
        {key: value for key, value in text.items() if key != name},
        {**text, name: None},
        {**{key: value for key, value in text.items() if key != name}, name: text[name]}
        if name != "trace"
        else {name: text[name], **text},
    ):
        data = copy.deepcopy(TURN.body.data)
        data["meta"] = data["labels"]["meta"] = ascii_text(mutant)
        headers = tuple(
            (key, data["meta"] if key == "x-meta" else value) for key, value in TURN.headers
        )
        exchange = with_data(TURN, data).model_copy(update={"headers": headers})
        assert differences(changed(HELD_BACK, exchange))


def test_a_broken_equality_is_told() -> None:
    other = "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70"
    headers = tuple((key, other if key == "x-thread" else value) for key, value in TURN.headers)
    mutant = TURN.model_copy(update={"headers": headers})
    assert any("equality" in each for each in differences(changed(HELD_BACK, mutant)))


# --- input that is not enough, overlays -----------------------------------------------------------


def test_one_recording_is_not_enough() -> None:
    with pytest.raises(TraceError, match=r"1 recording is not enough.*floway record"):
        learn_release(TRACES[:1], VOCABULARY)
    with pytest.raises(TraceError, match="nothing to learn from"):
        learn_release([], VOCABULARY)


@pytest.mark.parametrize(("field", "value"), [("release", "9.9.9"), ("client", "other")])
def test_recordings_of_two_releases_are_refused(field: str, value: str) -> None:
    other = TRACES[1].model_copy(update={field: value})
    with pytest.raises(TraceError, match=f"several {field}s"):
        learn_release([TRACES[0], other], VOCABULARY)


def test_two_recordings_of_one_name_are_refused() -> None:
    with pytest.raises(TraceError, match="2 traces are called"):
        learn_release([TRACES[0], TRACES[0]], VOCABULARY)


def test_an_unknown_release_is_refused() -> None:
    nameless = [each.model_copy(update={"release": ""}) for each in TRACES]
    with pytest.raises(TraceError, match="release is not known"):
        learn_release(nameless, VOCABULARY)


def test_only_requests_to_other_hosts_are_nothing() -> None:
    foreign = [each.model_copy(update={"exchanges": each.exchanges[-1:]}) for each in TRACES]
    with pytest.raises(TraceError, match="no request"):
        learn_release(foreign, VOCABULARY)


def test_without_a_vocabulary_it_is_learned_without_roles() -> None:
    plain = VOCABULARY.model_copy(
        update={"fields": {}, "templates": {}, "environment": (), "conditions": ()}
    )
    found = learn_release(TRACES, plain)
    assert found.remaining == ()
    values = {
        entry.name: compact(entry.value)
        for listed in (found.profile.headers["turn"], found.profile.documents["labels"].members)
        for entry in listed
    }
    assert values["x-session"] == {"uuid": 7}
    assert values["again"] == {"same_as": "header:x-thread"}


def test_overlays_say_what_recordings_cannot() -> None:
    release = Overlay.model_validate(
        {
            "accepted": {"documents.x_meta.*": "made up"},
            "set": [{"path": "documents.x_meta.mode", "to": {"default": "bold"}}],
            "add": [
                {
                    "to": "headers.turn",
                    "after": "x-session",
                    "entry": {"name": "x-new", "value": "text", "presence": "sometimes"},
                }
            ],
            "reasons": {"headers.turn.x-small": "small models"},
        }
    )
    client = Overlay.model_validate({"reasons": {"headers.nowhere.*": "never mind"}})
    found = learn_release(TRACES, VOCABULARY, release_overlay=release, client_overlay=client)
    names = [entry.name for entry in found.profile.headers["turn"]]
    assert names[names.index("x-session") + 1] == "x-new"
    assert {each.path for each in found.unexplained} == {"headers.models.x-request"}
    assert {reason for _, reason in found.accepted} == {"made up"}
    small = next(each for each in found.profile.headers["turn"] if each.name == "x-small")
    assert small.reason == "small models"
    assert found.remaining == ()


@pytest.mark.parametrize(
    ("overlay", "named"),
    [
        ({"reasons": {"headers.turn.nope": "x"}}, "reasons: headers.turn.nope"),
        ({"accepted": {"documents.nope": "x"}}, "accepted: documents.nope"),
        ({"set": [{"path": "nope", "to": {}}]}, "set: nope"),
        ({"originators": {"nope": "x"}}, "originators: nope"),
        (
            {"add": [{"to": "headers.turn", "entry": {"name": "x-version", "value": "text"}}]},
            "add: headers.turn.x-version",
        ),
        (
            {"order": [{"in": "headers.turn", "first": "nope", "then": "x-version"}]},
            "order: headers.turn: nope, x-version",
        ),
    ],
)
def test_an_entry_of_the_releases_overlay_that_matches_nothing_is_named(
    overlay: dict[str, Any], named: str
) -> None:
    with pytest.raises(ProfileError, match=named.replace(".", r"\.")):
        learn_release(TRACES, VOCABULARY, release_overlay=Overlay.model_validate(overlay))


def test_an_overlay_that_makes_no_profile_is_refused() -> None:
    wrong = {"set": [{"path": "headers.turn.x-small", "to": {"role": "nobody"}}]}
    with pytest.raises(ProfileError, match="overlay makes it wrong"):
        learn_release(TRACES, VOCABULARY, release_overlay=Overlay.model_validate(wrong))


def test_the_catalogue_names_models_that_no_recording_has() -> None:
    words = VOCABULARY.model_copy(update={"model_defaults": ("reasoning_effort", "verbosity")})
    catalogue = {
        "models": [
            {"slug": "tiny", "shape": "full", "default_effort": "high"},
            {"slug": "new", "shape": "small", "default_verbosity": "low", "settings": {"x": 1}},
        ]
    }
    profile = learn_release(TRACES, words, catalogue=catalogue).profile
    assert profile.shape("tiny") == "small"  # as recorded
    assert profile.model("tiny").defaults == {"reasoning_effort": "high"}
    assert profile.shape("new") == "small"
    assert profile.model("new").defaults == {"verbosity": "low"}
    assert profile.release == RELEASE
