"""Bodies that repeat earlier ones: read as if there had been none, and with the very same items."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.errors import ClientError
from addons.front import earlier
from addons.front.bodies import MAX_DEPTH, parse_object
from addons.front.earlier import EarlierBodies, Items

REST = earlier._REST
MEMBERS = ("a", "b", "input", 'x,"input', "input]")
LEAVES = st.none() | st.booleans() | st.sampled_from([0, 1, 12, 123, 2**63, 2**70, -1])
LEAVES |= st.sampled_from([1.0, -0.0, 1e5, 1e22, 0.1])
LEAVES |= st.sampled_from(["", "a", "ü→😀", '"input":[', "\\", "\x00\x1f\x7f", "],", "</b>"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3)
    ),
    max_leaves=6,
)
ITEMS = st.lists(VALUES, max_size=6)
OTHERS = st.lists(st.tuples(st.sampled_from(("a", "model", "tools", "input")), VALUES), max_size=3)


def spelled(value: Any, spelling: str) -> str:
    if spelling == "spaced":
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=spelling == "escaped", separators=(",", ":"))


def body(
    items: list[Any],
    before: list[tuple[str, Any]] | None = None,
    after: list[tuple[str, Any]] | None = None,
    spelling: str = "compact",
) -> bytes:
    """A body whose members may stand twice."""
    comma, colon = (", ", ": ") if spelling == "spaced" else (",", ":")
    members = [*(before or ()), ("input", items), *(after or ())]
    texts = [f'"{name}"{colon}{spelled(value, spelling)}' for name, value in members]
    return ("{" + comma.join(texts) + "}").encode()


def outcome(read: Any) -> Any:
    """What it gives, with order and types, or the error that it raises."""
    try:
        return orjson.dumps(read())
    except ClientError as error:
        return (error.status, error.code, str(error))


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Bodies that grow, are cut, changed in the middle, spelled otherwise, broken."""
    items, after = draw(ITEMS), draw(OTHERS)
    before = [("instructions", "Be brief. " * 250), *draw(OTHERS)]  # more than half of it all
    out = []
    for _ in range(draw(st.integers(2, 5))):
        match draw(st.sampled_from(("more", "cut", "change", "members", "same", "twice"))):
            case "more":
                items = items + draw(ITEMS)
            case "cut":
                items = items[: draw(st.integers(0, 6))]
            case "change" if items:
                place = draw(st.integers(0, len(items) - 1))
                items = [*items[:place], draw(VALUES), *items[place + 1 :]]
            case "members":
                after = draw(OTHERS)
            case "twice":
                items = items * 2
        spelling = draw(st.sampled_from(("compact",) * 6 + ("spaced", "escaped")))
        raw = body(items, before, after, spelling)
        match draw(st.sampled_from(("whole",) * 8 + ("torn", "trailing", "comma", "deep"))):
            case "torn":
                raw = raw[: draw(st.integers(0, len(raw)))]
            case "trailing":
                raw += draw(st.sampled_from((b"}", b"]", b" ", b"x")))
            case "comma":
                raw = raw.replace(b"]", b",]", 1)
            case "deep":
                nested = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
                raw = raw[:-1] + b',"deep":' + nested + b"}"
        out.append(raw)
    return out


@settings(max_examples=150)
@given(conversations())
def test_a_body_is_read_as_if_there_had_been_no_earlier_one(raws: list[bytes]) -> None:
    bodies = EarlierBodies(smallest=0)
    for raw in raws:
        assert outcome(lambda raw=raw: bodies.read("p", raw)) == outcome(
            lambda raw=raw: parse_object(raw)
        )
        try:
            bodies.keep("p", raw, bodies.read("p", raw))
        except ClientError:
            continue
    assert bodies.size <= earlier.LIMIT


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('"input":[1,2]', '"input":[1,2,]'),  # not JSON
        ('"input":[1,2]', '"input":[1,2 ,3]'),
        ('"input":[1,12]', '"input":[1,123]'),
        ('"input":[1,12]', '"input":[1,13]'),
        ('"input":[1.500,0]', '"input":[1.500,0]'),  # what is written for it is shorter
        (r'"input":["\/\/,",7]', r'"input":["\/\/,",7,8]'),
        ('"input":[1,2]', f'"input":[1,2],"{REST}":[3]'),
        ('"input":[1,2]', '"input":[1,2],"input":[3]'),
        ('"input":[9],"input":[1,2]', '"input":[9],"input":[1,2,3]'),
        (r'"x,\"input":[1,2],"input":[1,2]', r'"x,\"input":[1,2,3]'),
        ('"a":{"input":[1,2]},"input":[1,2]', '"a":{"input":[1,2,3]},"input":[1,2]'),
        ('"a":["input",[1,2]],"input":[1,2]', '"a":["input",[1,2]],"input":[1,2,3]'),
        ('"input":[]', '"input":[1]'),
    ],
)
def test_what_might_be_taken_for_a_repetition(first: str, second: str) -> None:
    bodies = EarlierBodies(smallest=0)
    for members in (first, first, second, second):
        raw = f'{{"head":"{"much " * 99}",{members},"stream":true}}'.encode()
        expected = outcome(lambda raw=raw: parse_object(raw))
        assert outcome(lambda raw=raw: bodies.read("p", raw)) == expected
        if isinstance(expected, bytes):
            bodies.keep("p", raw, bodies.read("p", raw))


def said(number: int) -> dict[str, Any]:
    return {"role": "user", "content": f"Number {number} — " + "words " * 30}


def seen(bodies: EarlierBodies, raw: bytes, principal: str = "p") -> Any:
    """The ``input`` of a good request."""
    request = bodies.read(principal, raw)
    bodies.keep(principal, raw, request)
    return request["input"]


HEAD = [("model", "m"), ("tools", [{"input": [{"a": 1}]}]), ("instructions", "Be brief. " * 250)]
TAIL = [("stream", True), ("prompt_cache_key", "k")]


def turn(count: int, **more: Any) -> bytes:
    return body([said(number) for number in range(count)], HEAD, [*TAIL, *more.items()])


def test_repeated_items_are_the_same_objects() -> None:
    bodies = EarlierBodies(smallest=0)
    first = seen(bodies, turn(40))
    assert not isinstance(first, Items)  # nothing is made of a body that may come once
    second = seen(bodies, turn(42))
    third = seen(bodies, turn(44, user="u"))
    assert isinstance(second, Items)
    assert isinstance(third, Items)
    assert (second.repeated, third.repeated) == (40, 42)
    assert all(a is b for a, b in zip(first, second, strict=False))
    assert all(a is b for a, b in zip(second, third, strict=False))
    assert third.made is second.made
    assert len(bodies) == 1


def test_what_is_the_same_before_a_change_is_repeated() -> None:
    bodies = EarlierBodies(smallest=0)
    seen(bodies, turn(40))
    changed = [*(said(number) for number in range(37)), said(99), said(38), said(39), said(40)]
    items = seen(bodies, body(changed, HEAD, TAIL))
    assert (items.repeated, list(items)) == (37, changed)
    assert seen(bodies, body(changed[:38], HEAD, TAIL)).repeated == 38


def test_conversations_that_begin_alike_are_two() -> None:
    bodies = EarlierBodies(smallest=0)
    seen(bodies, turn(40))
    one = seen(bodies, turn(41))
    other = body([*map(said, range(9)), *map(said, range(70, 110))], HEAD, TAIL)
    assert type(seen(bodies, other)) is list
    assert len(bodies) == 2
    again = seen(bodies, other)
    assert again.repeated == 49
    assert again.made is not one.made
    assert seen(bodies, turn(42)).repeated == 41
    assert len(bodies) == 2


@pytest.mark.parametrize(
    "raw",
    [
        body([said(number) for number in range(41)], [("model", "n"), *HEAD[1:]], TAIL),
        json.dumps(parse_object(turn(41))).encode(),
        turn(41).replace(b'"stream"', b'"input":[],"stream"'),
    ],
)
def test_what_is_before_the_items_or_spelled_otherwise_is_read_anew(raw: bytes) -> None:
    bodies = EarlierBodies(smallest=0)
    seen(bodies, turn(40))
    assert type(bodies.read("p", raw)["input"]) is list


def test_nothing_is_shared_between_principals() -> None:
    bodies = EarlierBodies(smallest=0)
    seen(bodies, turn(40), "one")
    assert type(seen(bodies, turn(41), "other")) is list
    assert isinstance(seen(bodies, turn(41), "one"), Items)


def test_small_bodies_and_too_large_ones_are_not_kept() -> None:
    size = len(turn(40))
    bodies = EarlierBodies(limit=size, smallest=size)
    seen(bodies, turn(39))
    assert len(bodies) == 0
    seen(bodies, turn(40))
    assert (len(bodies), bodies.size) == (1, size)
    seen(bodies, turn(41))
    assert (len(bodies), bodies.size) == (1, size)


def test_the_oldest_ones_go_first() -> None:
    raws = [body([said(number * 100 + n) for n in range(9)], HEAD, TAIL) for number in range(40)]
    bodies = EarlierBodies(limit=10 * len(raws[-1]), smallest=0)
    for raw in raws:
        seen(bodies, raw)
    assert len(bodies) == 10
    assert bodies.size == sum(map(len, raws[-10:]))
    assert type(bodies.read("p", raws[0])["input"]) is list
    assert isinstance(bodies.read("p", raws[-1])["input"], Items)
    many = EarlierBodies(smallest=0)
    for raw in raws:
        seen(many, raw)
    assert len(many) == earlier.MOST


def test_a_request_without_a_list_of_items_is_not_kept() -> None:
    bodies = EarlierBodies(smallest=0)
    raw = b'{"model":"m","input":"words"}'
    assert bodies.read("p", raw)["input"] == "words"
    bodies.keep("p", raw, bodies.read("p", raw))
    assert len(bodies) == 0
