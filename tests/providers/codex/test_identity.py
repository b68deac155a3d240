"""Identity: whose word counts, what is derived, and that one conversation stays one."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.providers.codex import ids
from addons.providers.codex.identity import Identity
from addons.providers.codex.lineage import Lineages
from addons.providers.codex.resolution import resolve

type Json = dict[str, Any]

NOW = 1_800_000_000.0
S = "0197c0de-0000-7000-8000-000000000001"
T = "0197c0de-0000-7000-8000-000000000002"
P = "0197c0de-0000-7000-8000-000000000003"
TURN = "0197c0de-0000-7000-8000-000000000004"
OTHER = "0197c0de-0000-7000-8000-000000000005"
INSTALLATION = "0b0f8a52-5d0c-4a58-9c55-1c1b6f6f7c11"

TOOLS = [{"type": "function", "name": "bash", "parameters": {}}]


def user(text: str) -> Json:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def answer(text: str) -> Json:
    return {"type": "message", "role": "assistant", "content": text}


def make(
    headers: dict[str, str] | None = None,
    body: Json | None = None,
    *,
    websocket: bool = False,
    principal: str = "local",
    stored: Lineages | None = None,
    now: float = NOW,
) -> Identity:
    counter = itertools.count(1)
    return resolve(
        [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        body if body is not None else {},
        websocket=websocket,
        principal=principal,
        now=now,
        mint=lambda: f"0199ffff-0000-7000-8000-{next(counter):012x}",
        stored=stored,
    )


def metadata(**members: Any) -> str:
    return json.dumps(members)


# --- the caller's own, in the official form ------------------------------------------------------


def test_an_official_callers_ids_are_kept() -> None:
    found = make(
        {
            "Session-Id": S,
            "thread-id": T,
            "x-client-request-id": OTHER,
            "x-codex-window-id": f"{T}:3",
            "x-codex-parent-thread-id": P,
            "x-openai-subagent": "review",
            "x-codex-turn-state": "opaque",
        },
        {
            "input": [user("x")],
            "prompt_cache_key": S,
            "client_metadata": {"turn_id": TURN, "x-codex-installation-id": INSTALLATION},
        },
    )
    assert found.session_id == S
    assert found.thread_id == T
    assert found.client_request_id == OTHER
    assert found.window_id == f"{T}:3"
    assert found.turn_id == TURN
    assert found.parent_thread_id == P
    assert found.subagent == "review"
    assert found.installation_id == INSTALLATION
    assert found.cache_key == S
    assert found.turn_state == "opaque"
    assert not found.root
    assert found.notes == ()


@pytest.mark.parametrize("websocket", [False, True])
def test_the_first_surface_wins_and_a_websocket_message_comes_before_its_handshake(
    websocket: bool,
) -> None:
    surfaces: list[tuple[str, dict[str, str], Json]] = [
        ("header", {"session-id": S}, {}),
        ("client_metadata", {}, {"session_id": S}),
        ("header copy", {"x-codex-turn-metadata": metadata(session_id=S)}, {}),
        ("body copy", {}, {"x-codex-turn-metadata": metadata(session_id=S)}),
    ]
    order = (
        ["client_metadata", "body copy", "header copy", "header"]
        if websocket
        else ["header", "client_metadata", "header copy", "body copy"]
    )
    for better, worse in itertools.combinations(order, 2):
        headers: dict[str, str] = {}
        client: Json = {}
        for name, own_headers, own_client in surfaces:
            for target, own in ((headers, own_headers), (client, own_client)):
                if name == better:
                    target.update(own)
                elif name == worse:
                    target.update({key: text.replace(S, OTHER) for key, text in own.items()})
        found = make(headers, {"input": [], "client_metadata": client}, websocket=websocket)
        assert found.session_id == S, (better, worse)


def test_underscore_session_header_of_old_releases() -> None:
    assert make({"session_id": S}).session_id == S
    assert make({"conversation_id": S}).session_id == S
    assert make({"session_id": OTHER, "session-id": S}).session_id == S


def test_a_websocket_message_does_not_take_the_handshakes_turn() -> None:
    headers = {
        "session-id": S,
        "thread-id": S,
        "x-codex-turn-metadata": metadata(turn_id=TURN, request_kind="prewarm", sandbox="none"),
        "x-codex-turn-state": "of the handshake",
    }
    frame = make(headers, {"input": [user("x")]}, websocket=True)
    assert frame.session_id == S
    assert frame.turn_id != TURN
    assert frame.request_kind == "turn"
    assert frame.turn_state is None
    assert frame.metadata == {}
    handshake = make(headers, {}, websocket=True)
    assert (handshake.turn_id, handshake.request_kind) == (TURN, "prewarm")


def test_prewarm_has_no_turn() -> None:
    found = make({"session-id": S}, {"input": [], "generate": False}, websocket=True)
    assert (found.request_kind, found.turn_id, found.root_turn_id) == ("prewarm", "", None)


def test_compaction_is_seen_in_the_input() -> None:
    found = make({"session-id": S}, {"input": [user("x"), {"type": "compaction_trigger"}]})
    assert found.request_kind == "compaction"


def test_extras_survive_and_identity_is_not_among_them() -> None:
    found = make(
        {"x-codex-turn-metadata": metadata(session_id=S, sandbox="none", turn_id=TURN)},
        {
            "client_metadata": {
                "session_id": S,
                "custom": "kept",
                "number": 3,
                "x-codex-turn-metadata": metadata(sandbox="other", workspaces={"/x": {}}),
            }
        },
    )
    assert found.metadata == {"sandbox": "none", "workspaces": {"/x": {}}}
    assert found.client_metadata == {"custom": "kept"}
    assert found.notes == ("client_metadata.number is not a string; ignored",)


@pytest.mark.parametrize(
    "text", ["{", "[]", "3", "\x00", '{"session_id": 3}', "[" * 30_000, " " * 70_000]
)
def test_malformed_metadata_is_ignored_and_said(text: str) -> None:
    found = make({"x-codex-turn-metadata": text, "session-id": S}, {"input": [user("x")]})
    assert found.session_id == S
    assert make({"x-codex-turn-metadata": text}, {"client_metadata": {"session_id": S}}).session_id
    assert any("turn" in note for note in make({"x-codex-turn-metadata": text}).notes)


@pytest.mark.parametrize("client", [[], "x", 3])
def test_odd_client_metadata_is_ignored_and_said(client: Any) -> None:
    found = make({"session-id": S}, {"client_metadata": client})
    assert found.session_id == S
    assert found.notes == ("client_metadata is not an object and was ignored",)


@pytest.mark.parametrize(
    ("window", "number"),
    [
        (f"{S}:0", 0),
        (f"{S}:12", 12),
        ("anything:7", 7),
        (f"{S}:", 0),
        (f"{S}:-1", 0),
        (f"{S}:01", 0),
        (f"{S}:1.5", 0),
        (f"{S}:٣", 0),
        (f"{S}:{10**30}", 0),
        (S, 0),
    ],
)
def test_window_numbers_are_canonical(window: str, number: int) -> None:
    found = make({"session-id": S, "x-codex-window-id": window})
    assert found.window_id == f"{S}:{number}"


@pytest.mark.parametrize("value", ["two words", "schnee-☃", "x" * 65])
def test_what_no_header_may_hold_is_not_taken(value: str) -> None:
    client = {"x-openai-subagent": value, "x-codex-turn-state": value * 200}
    found = make({"session-id": S}, {"input": [], "client_metadata": client}, websocket=True)
    assert found.subagent is None
    assert len(found.notes) >= 1
    for state in ("☃", "x" * 8193, "a\nb"):
        client = {"x-codex-turn-state": state}
        again = make({}, {"input": [], "client_metadata": client}, websocket=True)
        assert again.turn_state is None
        assert "x-codex-turn-state" in again.notes[0]


def test_an_installation_id_of_another_form_is_not_taken() -> None:
    found = make({"session-id": S}, {"client_metadata": {"x-codex-installation-id": S}})
    assert found.installation_id is None
    assert "UUIDv4" in found.notes[0]


# --- foreign ids ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"session-id": "ses_1"}, {"x-session-id": "ses_1"}, {"x-session-affinity": "ses_1"}],
)
def test_a_foreign_id_is_mapped_the_same_wherever_it_stands(headers: dict[str, str]) -> None:
    found = make(headers, {"input": [user("x")], "tools": TOOLS})
    same = make({}, {"input": [user("y")], "prompt_cache_key": "ses_1"})
    assert found.session_id == same.session_id == same.cache_key
    assert ids.official(found.session_id)
    assert "ses_1" not in found.session_id
    assert found.root
    assert found.client_request_id == found.thread_id


def test_principals_never_meet() -> None:
    for headers, body in (
        ({"x-session-id": "ses_1"}, {"input": [user("x")]}),
        ({}, {"input": [user("x")], "prompt_cache_key": "k"}),
        ({}, {"input": [user("x")]}),
    ):
        one = make(headers, body, principal="one")
        two = make(headers, body, principal="two")
        assert one.session_id != two.session_id
        assert one.context_window_id != two.context_window_id


def test_an_official_cache_key_alone_is_the_session() -> None:
    assert make({}, {"input": [user("x")], "prompt_cache_key": S}).session_id == S


def test_an_official_session_is_not_overridden_by_a_cache_key() -> None:
    # A review sub-agent of 0.142.0 has its thread as the key.
    found = make({"session-id": S, "thread-id": T}, {"input": [], "prompt_cache_key": T})
    assert (found.session_id, found.cache_key) == (S, T)


def test_overlong_and_unprintable_ids_are_not_taken() -> None:
    by_content = make({}, {"input": [user("x")]}).session_id
    for value in ("x" * 257, "a\x01b"):
        found = make({"session-id": value}, {"input": [user("x")]})
        assert found.session_id == by_content
        assert "256 printable" in found.notes[0]
    found = make({}, {"input": [user("x")], "prompt_cache_key": "x" * 300})
    assert found.cache_key is None


def test_another_clients_request_id_is_not_taken() -> None:
    found = make({"x-client-request-id": OTHER, "x-session-id": "ses_1"}, {"input": [user("x")]})
    assert found.client_request_id == found.thread_id


# --- side requests -------------------------------------------------------------------------------

MAIN: Json = {"instructions": "You are a coding agent.", "input": [user("fix it")], "tools": TOOLS}
TITLE: Json = {
    "instructions": "You make titles.",
    "input": [user("Make a title:"), user("fix it")],
    "temperature": 0.5,
}
SESSION = {"session-id": "ses_1", "x-session-id": "ses_1"}


@pytest.mark.parametrize("title_first", [True, False])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_title_request_neither_tears_nor_merges_the_conversation(
    title_first: bool, remembered: bool
) -> None:
    stored = Lineages()
    found: dict[str, Identity] = {}
    requests = [("title", TITLE), ("main", {**MAIN, "prompt_cache_key": "ses_1"})]
    for name, body in requests if title_first else reversed(requests):
        found[name] = make(SESSION, body, stored=stored)
        if remembered:
            stored.remember(found[name].session_id, found[name].strand(NOW))
    main, title = found["main"], found["title"]
    assert main.session_id == title.session_id
    assert main.root
    assert title.thread_id != main.thread_id
    assert title.parent_thread_id == main.thread_id
    later = make(
        SESSION, {**MAIN, "input": [*MAIN["input"], answer("ok"), user("more")]}, stored=stored
    )
    assert later.thread_id == main.thread_id
    assert later.window_id == main.window_id


def test_a_side_request_is_of_the_root_threads_turn() -> None:
    # A release that sends root_turn_id sends it with every turn.
    stored = Lineages()
    alone = make(SESSION, TITLE, stored=stored)
    assert alone.root_turn_id == alone.turn_id
    main = make(SESSION, {**MAIN, "client_metadata": {"turn_id": TURN}}, stored=stored)
    stored.remember(main.session_id, main.strand(NOW))
    beside = make(SESSION, TITLE, stored=stored)
    assert beside.root_turn_id == TURN != beside.turn_id


def test_a_title_request_without_prompt_member_is_told_by_its_developer_message() -> None:
    body = {"input": [{"role": "system", "content": "You make titles."}, user("x")]}
    assert not make(SESSION, body).root


def test_the_main_thread_is_known_without_tools_and_with_another_prompt() -> None:
    stored = Lineages()
    main = make(SESSION, MAIN, stored=stored)
    stored.remember(main.session_id, main.strand(NOW))
    without_tools = {"instructions": MAIN["instructions"], "input": [user("summary of it all")]}
    assert make(SESSION, without_tools, stored=stored).thread_id == main.thread_id
    another_agent = {**MAIN, "instructions": "You plan."}
    switched = make(SESSION, another_agent, stored=stored)
    assert switched.thread_id == main.thread_id
    # The thread goes on from what was said last.
    stored.remember(switched.session_id, switched.strand(NOW))
    compacted = {"instructions": "You plan.", "input": [user("summary")]}
    assert make(SESSION, compacted, stored=stored).thread_id == main.thread_id


def test_a_side_thread_is_known_again() -> None:
    stored = Lineages()
    for body in (MAIN, TITLE):
        found = make(SESSION, body, stored=stored)
        stored.remember(found.session_id, found.strand(NOW))
    again = make(SESSION, {**TITLE, "instructions": "You make short titles."}, stored=stored)
    assert again.thread_id == make(SESSION, TITLE, stored=stored).thread_id
    assert again.sources["thread_id"] == "known side thread"


def test_side_requests_with_different_prompts_have_threads_of_their_own() -> None:
    titles, summaries = (
        make(SESSION, {**TITLE, "instructions": text}) for text in ("Titles.", "Summaries.")
    )
    assert titles.session_id == summaries.session_id
    assert len({titles.session_id, titles.thread_id, summaries.thread_id}) == 3


def test_a_client_without_prompt_or_tools_has_one_thread() -> None:
    assert make(SESSION, {"input": [user("hi")]}).root
    assert make({}, {"input": [user("hi")], "prompt_cache_key": "k", "instructions": "x"}).root


# --- derived, minted, remembered -----------------------------------------------------------------


def test_a_stateless_conversation_keeps_its_ids_over_turns_and_restarts() -> None:
    one = make({}, MAIN)
    two = make({}, {**MAIN, "input": [*MAIN["input"], answer("ok"), user("more")]})
    assert one.session_id == two.session_id == one.thread_id
    assert one.context_window_id == two.context_window_id
    assert one.sources["session_id"] == "derived from the content"


def test_nothing_to_go_by_is_minted() -> None:
    found = make()
    assert found.sources["session_id"] == "minted"
    assert found.session_id.startswith("0199ffff")


def test_a_turn_keeps_its_id_over_tool_calls() -> None:
    stored = Lineages()
    first = make({}, MAIN, stored=stored)
    stored.remember(first.session_id, first.strand(NOW))
    follow_up = {
        **MAIN,
        "input": [*MAIN["input"], {"type": "function_call_output", "call_id": "1", "output": ""}],
    }
    second = make({}, follow_up, stored=stored, now=NOW + 9)
    assert second.turn_id == first.turn_id
    assert second.turn_started_ms == first.turn_started_ms == int(NOW * 1000)
    next_turn = {**MAIN, "input": [*follow_up["input"], answer("ok"), user("more")]}
    third = make({}, next_turn, stored=stored, now=NOW + 20)
    assert third.turn_started_ms == int((NOW + 20) * 1000)


def test_the_window_is_remembered() -> None:
    stored = Lineages()
    first = make({"session-id": S, "thread-id": S, "x-codex-window-id": f"{S}:4"}, MAIN)
    stored.remember(S, first.strand(NOW))
    assert make({"session-id": S, "thread-id": S}, MAIN, stored=stored).window_number == 4


def test_each_window_has_its_own_context_id() -> None:
    windows = [make({"session-id": S, "x-codex-window-id": f"{S}:{n}"}) for n in (0, 1)]
    assert windows[0].context_window_id != windows[1].context_window_id


# --- properties ----------------------------------------------------------------------------------

texts = st.text(max_size=12)
bodies = st.fixed_dictionaries(
    {"input": st.lists(st.builds(user, texts), max_size=3)},
    optional={
        "instructions": texts,
        "prompt_cache_key": st.one_of(texts, st.just(S)),
        "tools": st.just(TOOLS),
        "client_metadata": st.dictionaries(
            st.sampled_from(["session_id", "thread_id", "turn_id", "x-codex-window-id", "other"]),
            st.one_of(texts, st.sampled_from([S, T, f"{T}:2"])),
        ),
    },
)
header_maps = st.dictionaries(
    st.sampled_from(["session-id", "thread-id", "x-session-id", "x-client-request-id"]),
    st.one_of(st.text(st.characters(codec="ascii"), max_size=12), st.sampled_from([S, T, OTHER])),
)


def projected(found: Identity) -> tuple[dict[str, str], Json]:
    """The surfaces of an identity, as a release sends them."""
    headers = {
        "session-id": found.session_id,
        "thread-id": found.thread_id,
        "x-client-request-id": found.client_request_id,
        "x-codex-window-id": found.window_id,
    }
    if found.parent_thread_id:
        headers["x-codex-parent-thread-id"] = found.parent_thread_id
    client = {
        "turn_id": found.turn_id,
        "x-codex-turn-metadata": metadata(context_window_id=found.context_window_id),
    }
    return headers, client


@given(header_maps, bodies, st.booleans())
def test_all_ids_are_official_and_the_output_fed_back_gives_itself(
    headers: dict[str, str], body: Json, websocket: bool
) -> None:
    found = make(headers, body, websocket=websocket)
    for value in (found.session_id, found.thread_id, found.client_request_id, found.turn_id):
        assert ids.official(value) == value
    out_headers, client = projected(found)
    again = make(out_headers, {**body, "client_metadata": client}, websocket=websocket)
    assert (
        again.session_id,
        again.thread_id,
        again.client_request_id,
        again.window_id,
        again.turn_id,
        again.context_window_id,
        again.parent_thread_id,
    ) == (
        found.session_id,
        found.thread_id,
        found.client_request_id,
        found.window_id,
        found.turn_id,
        found.context_window_id,
        found.parent_thread_id,
    )


@given(header_maps, bodies)
def test_a_principals_secret_is_never_in_an_id(headers: dict[str, str], body: Json) -> None:
    secret = "5ec7e7" * 5
    found = make(headers, body, principal=secret)
    assert secret[:8] not in json.dumps([found.session_id, found.thread_id, found.cache_key])
