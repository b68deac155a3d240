"""Directives of prompts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.sandbox.directives import RUN, WantedCall, parse_directives


def test_calls_in_parallel_and_in_turn() -> None:
    found = parse_directives(
        'Do it. [[call a {"x": [[1]]}]] [[call b]] [[then]] [[call ns.c "raw ]] text"]] Thanks'
    )
    assert found.rounds == [
        [WantedCall("a", {"x": [[1]]}), WantedCall("b", {})],
        [WantedCall("ns.c", "raw ]] text")],
    ]
    assert found.rest == "Do it.     Thanks"


def test_raw_text_of_a_custom_tool_runs_to_the_closing_brackets() -> None:
    found = parse_directives("[[call exec text(await tools.x({a: 1}))]]")
    assert found.rounds == [[WantedCall("exec", "text(await tools.x({a: 1}))")]]


def test_a_command_for_whichever_shell_there_is() -> None:
    found = parse_directives("[[run echo $((6*7))]] [[then]] [[run ls]] please")
    assert found.rounds == [[WantedCall(RUN, "echo $((6*7))")], [WantedCall(RUN, "ls")]]
    assert parse_directives("[[run ]]").rounds == []


def test_token_counts_may_be_for_once() -> None:
    for text, expected in (("9", (9, False)), ("9 once", (9, True)), ("9  once ", (9, True))):
        found = parse_directives(f"[[tokens {text}]] x")
        assert (found.tokens, found.once, found.rest) == (*expected, "x")
    for wrong in ("x", "9 twice", "9 once more", "1234567890"):
        assert parse_directives(f"[[tokens {wrong}]]").tokens is None


def test_json_that_does_not_end_at_the_brackets_is_raw_text() -> None:
    found = parse_directives('[[call exec {"a": 1}; more]]')
    assert found.rounds == [[WantedCall("exec", '{"a": 1}; more')]]


@pytest.mark.parametrize(
    ("prompt", "member", "value"),
    [
        ("[[say 3]]", "words", 3),
        ('[[text "a \\"b\\" ]]"]]', "text", 'a "b" ]]'),
        ("[[text plain words]]", "text", "plain words"),
        ("[[think]]", "think", 12),
        ("[[think 40]]", "think", 40),
        ("[[tokens 90000]]", "tokens", 90_000),
        ("[[pace 20]]", "pace", 0.02),
    ],
)
def test_single_directives(prompt: str, member: str, value: object) -> None:
    assert getattr(parse_directives(prompt), member) == value


@pytest.mark.parametrize(
    "prompt",
    ["[[say many]]", "[[sayer 3]]", "[[call]]", "[[call ]]", "[[say 3", "[[pace]]", "[[ say 3 ]]"],
)
def test_what_does_not_parse_is_ordinary_text(prompt: str) -> None:
    found = parse_directives(prompt)
    assert found.rest == prompt
    assert (found.rounds, found.words, found.pace) == ([], None, 0.0)


@given(st.text())
def test_any_text_parses(prompt: str) -> None:
    found = parse_directives(prompt)
    if "[[" not in prompt:
        assert found.rest == prompt.strip()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.text(), json_values), st.text(), st.text())
def test_arguments_survive_whatever_they_hold(
    arguments: dict[str, object], before: str, after: str
) -> None:
    prompt = (
        f"{before.replace('[', '')}[[call tool {json.dumps(arguments)}]]{after.replace('[', '')}"
    )
    assert parse_directives(prompt).rounds == [[WantedCall("tool", arguments)]]
