"""Items that are repeated are not written again, and nobody can tell."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.front.earlier import EarlierBodies, Items
from addons.providers.codex import items
from addons.providers.codex.shape import bring
from fingerprints.item_forms import ItemForms, item_forms
from fingerprints.library import load
from fingerprints.serial import dumps
from tests.providers.codex.exchanges import FULL as FULL_MODEL
from tests.providers.codex.exchanges import LITE as LITE_MODEL
from tests.providers.codex.exchanges import Side
from tests.providers.codex.test_shape import (
    FULL,
    OTHER_THREAD,
    PASSTHROUGH,
    THREAD,
    conversations,
)

PROFILE = load("codex@0.169.0")
FORMS = [item_forms(PROFILE, "full"), item_forms(PROFILE, "lite")]
FORMS.append(item_forms(load("codex@0.142.0"), "full"))

CALL = {"type": "function_call_output", "call_id": "call_1", "output": "words"}
COMPLETE = {
    "type": "function_call",
    "id": "fc_1",
    "name": "f",
    "arguments": "{}",
    "call_id": "call_1",
    PASSTHROUGH: {"turn_id": THREAD},
}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def written(given: Any, made: dict[str, Any] | None = None, **how: Any) -> str:
    body = {"input": given if made is None else Items(given, 0, made), **how.pop("body", {})}
    how = {"thread_id": THREAD, "forms": FORMS[0], **how}
    brought = bring(body, FULL, **how)["input"]
    assert dumps(brought.texts) == dumps(brought)
    return json.dumps(brought)


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[list[Any], dict[str, Any]]]:
    """Inputs that share objects with the one before, and how each is to be written."""
    known: list[Any] = []
    out = []
    for _ in range(draw(st.integers(2, 6))):
        match draw(st.sampled_from(("more", "more", "again", "cut", "change", "other"))):
            case "more":
                known = known + draw(conversations)
            case "again":
                known = [*known, *known, *copy.deepcopy(known)][:24]
            case "cut":
                known = known[: draw(st.integers(0, 6))]
            case "change" if known:
                place = draw(st.integers(0, len(known) - 1))
                known = [*known[:place], *draw(conversations), *known[place + 1 :]]
            case "other":
                known = copy.deepcopy(known)
        how = {
            "thread_id": draw(st.sampled_from([THREAD] * 4 + [OTHER_THREAD])),
            "forms": draw(st.sampled_from([FORMS[0]] * 4 + FORMS[1:])),
            "body": draw(st.sampled_from([{}, {}, {"previous_response_id": "resp_1"}])),
            "turn_id": draw(st.sampled_from([THREAD, OTHER_THREAD])),
        }
        out.append((known, how))
    return out


@given(stories())
def test_what_is_repeated_is_written_as_if_it_were_new(
    story: list[tuple[list[Any], dict[str, Any]]],
) -> None:
    made: dict[str, Any] = {}
    for given_items, how in story:
        expected = written(copy.deepcopy(given_items), **how)
        assert written(given_items, made, **how) == expected


def test_only_new_items_are_written(monkeypatch: Any) -> None:
    count = 0
    write = items.Writer.write

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return write(*arguments)

    monkeypatch.setattr(items.Writer, "write", counted)
    made: dict[str, Any] = {}
    first = [said("one"), CALL, copy.deepcopy(CALL), said("two")]
    for given_items, new in (
        (first, 4),
        (first, 0),
        ([*first, CALL, said("three")], 2),
        ([*first[:2], said("other")], 1),
        (copy.deepcopy(first), 4),
    ):
        count = 0
        written(given_items, made)
        assert count == new


def test_equal_items_keep_their_numbers() -> None:
    made: dict[str, Any] = {}
    first = [said("one"), CALL, COMPLETE, CALL]
    written(first, made)
    more = [*first, COMPLETE, CALL, said("one")]
    assert written(more, made) == written(more)
    ids = [each["id"] for each in json.loads(written(more, made)) if each is not COMPLETE]
    assert len(set(ids)) == len(ids) - 1  # the complete one has its own, twice


def test_another_thread_form_or_turn_is_noticed() -> None:
    given_items = [said("one"), CALL]
    made: dict[str, Any] = {}
    usual = written(given_items, made)
    continued = {"body": {"previous_response_id": "resp_1"}, "turn_id": OTHER_THREAD}
    for other in ({"thread_id": OTHER_THREAD}, {"forms": FORMS[2]}, continued):
        assert written(given_items, made, **other) == written(given_items, **other) != usual
        assert written(given_items, made) == usual


def test_forms_of_the_same_name_are_not_taken_for_each_other() -> None:
    again = ItemForms(PROFILE, "full")
    made: dict[str, Any] = {}
    written([CALL], made)
    written([CALL], made, forms=again)
    assert made[items.WRITTEN].how[1] is again


# --- whole requests ------------------------------------------------------------------------------


def request(count: int, **more: Any) -> dict[str, Any]:
    history = [said("one"), *({**CALL, "output": f"{n} " * 999} for n in range(count))]
    return {"model": FULL_MODEL, "stream": True, "input": [*history, said("two")], **more}


def compact(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def test_requests_are_the_same_with_and_without_earlier_ones() -> None:
    side, earlier = Side().with_models(), EarlierBodies()
    repeated = []
    for body in (
        request(20),
        request(22),
        request(24),
        request(24, instructions="Other ones.", reasoning={"effort": "low"}),
        request(26, model=LITE_MODEL),
        request(21),
    ):
        raw = compact({**body, "prompt_cache_key": "k"})
        side.earlier = None
        plain = await side.sent(side.exchange(body=raw))
        side.earlier = earlier
        exchange = side.exchange(body=raw)
        assert await side.sent(exchange) == plain
        repeated.append(getattr(exchange.request["input"], "repeated", 0))
    assert repeated == [0, 21, 23, 26, 0, 22]


def test_a_new_item_that_is_wrong_is_refused_by_its_place() -> None:
    side = Side(earlier=EarlierBodies())
    for count in (20, 21):
        side.exchange(body=compact(request(count)))
    bad = request(22)
    bad["input"][-1] = {"type": "function_call_output", "call_id": 1}
    with pytest.raises(BadRequest) as caught:
        side.exchange(body=compact(bad))
    assert caught.value.param == "input[23].call_id"


def test_requests_of_other_protocols_are_not_kept() -> None:
    side = Side(earlier=EarlierBodies(smallest=0))
    said_once = {"model": FULL_MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    side.exchange("/v1/chat/completions", compact({**said_once, "input": [CALL]}))
    assert len(side.earlier or ()) == 0
    side.exchange(body=compact(request(1)))
    assert len(side.earlier or ()) == 1
