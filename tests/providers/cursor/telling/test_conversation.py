"""Which conversation a request belongs to: callers apart, threads apart, turns together."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.telling.conversation import resolve
from tests.providers.cursor.said import Json, body, called, gave, png, said, system, user

BILLING = "x-anthropic-billing-header: cc_version=2.1.330.572; cc_entrypoint=cli; cch={};\n"
SESSION = "5f0c2a52-8b7e-4a51-9f1e-0a4f4f8a1c11"
USER_ID = json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": SESSION})

FIRST = body(user("hello"))
LATER = body(user("hello"), said("hi"), user("call it"), called("c1", "f"), gave("c1", "done"))


def key(
    given: Json = FIRST, principal: str = "local", headers: dict[str, str] | None = None
) -> str:
    return resolve(principal, headers or {}, given).key


# --- the name ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "members", "source"),
    [
        ({}, {"metadata": {"user_id": USER_ID}}, "metadata.user_id"),
        ({}, {"metadata": {"user_id": f"user_abc_account__session_{SESSION}"}}, "metadata.user_id"),
        ({"x-claude-code-session-id": SESSION}, {}, "header x-claude-code-session-id"),
        ({"x-session-id": "ses_1", "x-session-affinity": "ses_1"}, {}, "header x-session-id"),
        ({"session-id": "ses_1"}, {"prompt_cache_key": "k"}, "header session-id"),
        ({}, {"conversation": {"id": "conv_1"}}, "conversation"),
        ({}, {"prompt_cache_key": "k"}, "prompt_cache_key"),
        ({}, {"metadata": {"user_id": "a-person"}}, "content"),
        ({}, {"metadata": {"user_id": "{not json"}}, "content"),
        ({}, {"metadata": {"user_id": "{}"}}, "content"),
        ({"x-session-id": " "}, {}, "content"),
        ({"x-session-id": "x" * 257}, {}, "content"),
        ({}, {"instructions": BILLING.format("ab12f") + "Be brief."}, "cch"),
        ({"x-session-id": "s"}, {"instructions": BILLING.format("ab12f")}, "header x-session-id"),
        ({}, {"instructions": "Write cch=1 somewhere"}, "content"),
    ],
)
def test_the_best_name_counts(headers: dict[str, str], members: Json, source: str) -> None:
    given = {**FIRST, **members}
    found = resolve("local", headers, given)
    assert found.source == source
    again = resolve("local", headers, {**LATER, **members})
    assert again == found


def test_a_billing_line_may_be_the_first_block_of_a_system_message() -> None:
    line = {"type": "input_text", "text": BILLING.format("ab12f")}
    prompt = {"type": "message", "role": "system", "content": [line, *system("Be")["content"]]}
    assert resolve("local", {}, body(prompt, user("hello"), instructions="")).source == "cch"


def test_a_billing_line_counts_that_the_protocols_parser_drops() -> None:
    block = {"type": "text", "text": BILLING.format("ab12f").strip()}
    request = {"system": [block, {"type": "text", "text": "Be brief."}]}
    assert resolve("local", {}, FIRST, request).source == "cch"


def test_a_value_of_cch_is_a_conversation() -> None:
    def found(cch: str) -> str:
        return key({**FIRST, "instructions": BILLING.format(cch) + "Be brief."})

    assert found("aaaaa") == found("aaaaa")
    assert found("aaaaa") != found("bbbbb")


# --- without a name ------------------------------------------------------------------------------


def test_without_a_name_every_turn_has_the_same_beginning() -> None:
    assert key(FIRST) == key(LATER)
    assert key(body(system("Be brief."), user("hello"), instructions="")) == key(FIRST)
    assert key({**FIRST, "input": "hello"}) == key(FIRST)


@pytest.mark.parametrize(
    "other",
    [
        body(user("hello"), instructions="Be long."),
        body(user("hallo")),
        {**FIRST, "model": "cursor/n"},
    ],
)
def test_another_beginning_or_model_is_another_conversation(other: Json) -> None:
    assert key(other) != key(FIRST)


def test_what_follows_the_first_200_characters_makes_no_difference() -> None:
    prompt = "You are a coding agent. " * 20
    days = [body(user("hello"), instructions=f"{prompt}Today is {day}.") for day in ("Mon", "Tue")]
    assert key(days[0]) == key(days[1])


def test_the_version_in_a_billing_line_makes_no_difference() -> None:
    line = "x-anthropic-billing-header: cc_version={}; cc_entrypoint=cli;\nBe brief."
    one, two = (body(user("hello"), instructions=line.format(v)) for v in ("2.1.1", "2.1.2"))
    assert key(one) == key(two) == key(FIRST)


# --- threads and principals ----------------------------------------------------------------------


def test_side_requests_of_a_session_are_threads_of_their_own() -> None:
    headers = {"x-session-id": "ses_1"}
    main = resolve("local", headers, FIRST)
    title = resolve("local", headers, body(user("hello"), instructions="Write a title."))
    after = resolve("local", headers, body(user("Summary: …"), user("go on")))
    assert len({main.key, title.key, after.key}) == 3
    assert main.session == title.session == after.session


def test_a_session_goes_on_with_another_model() -> None:
    headers = {"x-session-id": "ses_1"}
    assert key({**FIRST, "model": "cursor/n"}, headers=headers) == key(FIRST, headers=headers)


def test_a_picture_at_the_beginning_is_no_trouble() -> None:
    assert key(body(user(png(), "what is this?"))) == key(body(user(png(), "what is this?")))


def test_ids_are_uuids_and_each_generation_has_one() -> None:
    found = resolve("local", {}, FIRST)
    ids = [found.id(), found.id(1), found.id(2)]
    assert len(set(ids)) == 3
    assert all(uuid.UUID(each).version == 4 for each in ids)
    assert found.id() == resolve("local", {}, LATER).id(0)


def test_the_id_is_what_is_written_down() -> None:
    # A conversation must keep its state when floway is updated.
    found = resolve("local", {"x-session-id": "ses_1"}, FIRST)
    assert found.id() == "e38086cb-e75e-45a0-8362-9d805f471827"


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, str], Json]:
    members: dict[str, Any] = draw(
        st.fixed_dictionaries({}, optional={"prompt_cache_key": names, "conversation": names})
    )
    headers = draw(st.dictionaries(st.sampled_from(["x-session-id", "session-id"]), names))
    return headers, body(user(draw(names)), instructions=draw(names), **members)


@settings(max_examples=60)
@given(requests(), st.tuples(names, names).filter(lambda both: both[0] != both[1]))
def test_two_principals_never_share(
    request: tuple[dict[str, str], Json], principals: tuple[str, str]
) -> None:
    one, two = (resolve(principal, *request) for principal in principals)
    assert one.source == two.source
    shared = {one.session, one.key, one.id(), one.id(1)} & {
        two.session,
        two.key,
        two.id(),
        two.id(1),
    }
    assert not shared


@settings(max_examples=60)
@given(requests(), names)
def test_a_request_says_the_same_each_time(
    request: tuple[dict[str, str], Json], principal: str
) -> None:
    headers, given = request
    grown = {**given, "input": [*given["input"], said("ok"), user("more")]}
    assert resolve(principal, headers, given) == resolve(principal, headers, grown)
