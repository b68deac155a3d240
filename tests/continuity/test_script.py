"""What is said."""

from __future__ import annotations

from replay.continuity import script
from replay.sandbox.cache_model import MINIMUM_TOKENS, TOKEN_BYTES
from replay.sandbox.directives import parse_directives


def test_prompts_survive_being_taken_apart() -> None:
    for number in range(20):
        prompt = script.prompt(number)
        assert " ".join(prompt.split()) == prompt
        assert bool(parse_directives(prompt).rounds) == script.asks_for_a_tool(number)


def test_turns_differ() -> None:
    assert len({script.prompt(number) for number in range(20)}) == 20


def test_requests_are_turns_and_tool_calls() -> None:
    assert script.requests(1) == 1
    assert script.requests(4) == 5
    assert script.requests(20) == 27


def test_instructions_are_long_enough_for_a_cache() -> None:
    assert len(script.RULES) > MINIMUM_TOKENS * TOKEN_BYTES
