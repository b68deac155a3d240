"""Conditions are found again that presence was made with."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from fingerprints.learn.conditions import Case, Condition, both, exactly, explain, split

KINDS = ("turn", "compaction", "prewarm")
SHAPES = ("full", "lite")
SIGN_INS = ("chatgpt", "api_key")


def case(kind: str, shape: str, sign_in: str, *roles: str, setting: tuple[str, ...] = ()) -> Case:
    return Case((("kind", kind), ("shape", shape), ("sign_in", sign_in)), frozenset(roles), setting)


ALL = [
    case(kind, shape, sign_in, *roles)
    for kind, shape, sign_in in product(KINDS, SHAPES, SIGN_INS)
    for roles in ((), ("subagent",))
]

values = st.tuples(
    st.sets(st.sampled_from(KINDS), min_size=1),
    st.sets(st.sampled_from(SHAPES), min_size=1),
    st.sets(st.sampled_from(SIGN_INS), min_size=1),
    st.sampled_from([None, "has", "lacks"]),
)


@given(values)
def test_a_condition_is_found_again(
    chosen: tuple[set[str], set[str], set[str], str | None],
) -> None:
    kinds, shapes, sign_ins, guard = chosen

    def there(each: Case) -> bool:
        sub = "subagent" in each.roles
        return (
            each.trait("kind") in kinds
            and each.trait("shape") in shapes
            and each.trait("sign_in") in sign_ins
            and (guard is None or sub == (guard == "has"))
        )

    present = [there(each) for each in ALL]
    found = explain(present, ALL, ["subagent"])
    if found.always:
        assert [found.condition.meets(each) for each in ALL] == present
    else:  # four conditions at once are more than is believed
        assert len(kinds) < 3
        assert len(shapes) == len(sign_ins) == 1
        assert guard is not None


def test_the_smallest_condition_is_taken() -> None:
    cases = [case("turn", "lite", "chatgpt"), case("prewarm", "full", "chatgpt")]
    found = exactly([True, False], cases)
    assert found == Condition((("kind", ("turn",)),))


def test_what_is_always_there_has_no_condition() -> None:
    found = explain(
        [True, True], [case("turn", "lite", "chatgpt"), case("turn", "full", "api_key")]
    )
    assert (found.always, found.condition) == (True, Condition())


def test_no_condition_explains_chance_but_kinds_are_excluded_with_all_else_equal() -> None:
    cases = [
        case("turn", "full", "chatgpt", setting=("a",)),
        case("turn", "full", "chatgpt", setting=("a",)),
        case("prewarm", "full", "chatgpt", setting=("a",)),
        case("turn", "full", "api_key", setting=("b",)),
    ]
    found = explain([True, False, False, False], cases)
    assert not found.always
    # The prewarm of the same setting has it not; the API key was recorded in another one only.
    assert found.condition == Condition((("kind", ("turn",)),))


def test_a_condition_takes_in_what_no_recording_contradicts() -> None:
    cases = [
        case("turn", "full", "chatgpt", "subagent"),
        case("prewarm", "full", "chatgpt", "subagent"),
        case("turn", "full", "chatgpt"),
        case("compaction", "full", "chatgpt"),
        case("prewarm", "full", "chatgpt"),
    ]
    found = exactly([True, False, False, False, False], cases, ["subagent"])
    assert found == Condition((("kind", ("compaction", "turn")),), has=("subagent",))


def test_parts_that_exclude_each_other() -> None:
    cases = [case("turn", "full", "chatgpt"), case("prewarm", "full", "chatgpt")]
    assert split([[True, False], [False, True]], cases) == [
        Condition((("kind", ("turn",)),)),
        Condition((("kind", ("prewarm",)),)),
    ]
    alike = [case("turn", "full", "chatgpt"), case("turn", "full", "chatgpt")]
    assert split([[True, False], [False, True]], alike) is None


def test_both_is_the_product() -> None:
    one = Condition((("kind", ("turn", "prewarm")),), has=("a",))
    other = Condition((("kind", ("turn",)), ("shape", ("lite",))), lacks=("b",))
    joined = both(one, other)
    assert joined == Condition((("kind", ("turn",)), ("shape", ("lite",))), ("a",), ("b",))
    assert joined.as_data() == {"kind": ["turn"], "shape": ["lite"], "has": ["a"], "lacks": ["b"]}
