"""What an account is sent of a conversation: the checkpoint, or the history told anew."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentRunRequest,
    ConversationStateStructure,
)
from addons.providers.cursor.run.run_outputs import Part
from addons.providers.cursor.telling.blobs import BlobLimits, BlobMap
from addons.providers.cursor.telling.coverage import cover
from addons.providers.cursor.telling.history import History
from addons.providers.cursor.telling.reading import read
from addons.providers.cursor.telling.state import (
    Checkpoint,
    Dropped,
    Form,
    StatePlan,
    SystemPlace,
    Telling,
    plan_state,
)
from tests.providers.cursor.said import Json, body, called, gave, png, said, user

FIRST = [user("My cat is Mia."), said("Nice.")]
TURN = [
    user("Weigh her."),
    said("I call."),
    called("c1", "scale"),
    gave("c1", "4 kg"),
    said("4 kg."),
]
UNKNOWN = bytes.fromhex("a2385f") + b"x" * 0x5F
"""A member that nobody declares."""
RAW = (
    UNKNOWN + ConversationStateStructure(root_prompt_messages_json=[b"r" * 32]).SerializeToString()
)


def told(*items: Json, **members: Any) -> History:
    return read(body(*items, **members))


def checkpoint(*items: Json, account: str = "ada", **changed: Any) -> Checkpoint:
    history = told(*items)
    covered = cover(history.blocks, history.system)
    made = Checkpoint(account, 0, RAW, BlobMap({b"r" * 32: b"root"}), covered, 1000.0)
    return replace(made, **changed)


def messages(plan: StatePlan, *, after: bytes = b"") -> list[tuple[str, Any]]:
    """Role and texts of the chat messages in a state (behind ``after``)."""
    structure = ConversationStateStructure.FromString(plan.state[len(after) :])
    found = []
    for blob_id in structure.root_prompt_messages_json:
        data = plan.blobs.get(blob_id)
        assert data is not None
        message = json.loads(data)
        content = message["content"]
        parts = content if isinstance(content, str) else [_text(part) for part in content]
        found.append((message["role"], parts))
    return found


def _text(part: Json) -> str:
    return str(part.get("text") or part.get("result") or part.get("toolName"))


def the_text(said_now: tuple[Part, ...] | None) -> str:
    assert said_now is not None
    return "".join(part for part in said_now if isinstance(part, str))


# --- the six layers of a change of account -------------------------------------------------------

NOW = user("Who is my cat?")


@pytest.mark.parametrize(
    ("kept", "account", "generation", "history", "form", "dropped"),
    [
        pytest.param(None, "ada", 0, [NOW], Form.MESSAGES, None, id="nothing is kept"),
        pytest.param(
            checkpoint(*FIRST), "ada", 0, [*FIRST, NOW], Form.CHECKPOINT, None, id="its owner"
        ),
        pytest.param(
            # 1: the record is the conversation's, with its owner inside.
            # 2: another account is told the history anew.
            *(checkpoint(*FIRST), "bob", 0, [*FIRST, NOW], Form.MESSAGES, Dropped.FOREIGN),
            id="another account",
        ),
        pytest.param(
            # 3: the run that waited for a result is closed with its account; the result is told.
            *(checkpoint(*FIRST), "bob", 0, [*FIRST, *TURN[:4]], Form.MESSAGES, Dropped.FOREIGN),
            id="another account in the middle of a tool call",
        ),
        pytest.param(
            # 4, 5: an error about the state reaches the provider, which gives the id up.
            *(checkpoint(*FIRST), "ada", 1, [*FIRST, NOW], Form.MESSAGES, Dropped.SPOILED),
            id="the id was spoiled",
        ),
        pytest.param(
            # 6: the turn failed after its first byte; the next request goes elsewhere, and comes
            # back: the owner goes on from what it holds.
            *(checkpoint(*FIRST), "ada", 0, [*FIRST, *TURN, NOW], Form.CHECKPOINT, None),
            id="a turn was another account's",
        ),
        pytest.param(
            *(checkpoint(*FIRST, *TURN), "ada", 0, [*FIRST, NOW], Form.MESSAGES, Dropped.CHANGED),
            id="the last turn was taken back",
        ),
        pytest.param(
            *(checkpoint(*FIRST), "ada", 0, [user("Summary: cat Mia."), NOW]),
            *(Form.MESSAGES, Dropped.CHANGED),
            id="compacted",
        ),
        pytest.param(
            *(checkpoint(*FIRST), "ada", 0, [FIRST[0], said("Good."), NOW]),
            *(Form.MESSAGES, Dropped.CHANGED),
            id="an answer was edited",
        ),
    ],
)
def test_who_is_sent_what(
    kept: Checkpoint | None,
    account: str,
    generation: int,
    history: list[Json],
    form: Form,
    dropped: Dropped | None,
) -> None:
    plan = plan_state(kept, account, told(*history), generation=generation)
    assert (plan.form, plan.dropped) == (form, dropped)
    if form is Form.CHECKPOINT:
        assert plan.state.startswith(RAW)
        assert plan.blobs.get(b"r" * 32) == b"root"
    else:
        assert UNKNOWN not in plan.state
        assert b"r" * 32 not in plan.blobs
    # Whoever serves it, nothing that was said is missing.
    everything = str(messages(plan, after=RAW if form is Form.CHECKPOINT else b"")) + str(plan.said)
    known = FIRST if form is Form.CHECKPOINT else []
    for item in history:
        if item not in known:
            assert _words(item) in everything


def _words(item: Json) -> str:
    if "content" in item:
        return str(item["content"][0]["text"])
    return str(item.get("name") or item.get("output"))


def test_another_system_prompt_is_another_state_where_the_state_holds_it() -> None:
    history = told(*FIRST, NOW, instructions="Be long.")
    assert plan_state(checkpoint(*FIRST), "ada", history).dropped is Dropped.SYSTEM
    rule = Telling(system=SystemPlace.RULE)
    assert plan_state(checkpoint(*FIRST), "ada", history, telling=rule).dropped is None


# --- a checkpoint --------------------------------------------------------------------------------


def test_an_ordinary_turn_sends_the_checkpoint_as_it_is() -> None:
    plan = plan_state(checkpoint(*FIRST), "ada", told(*FIRST, NOW))
    assert plan.state == RAW
    assert plan.said == ("Who is my cat?",)
    assert plan.notes == ()


def test_what_the_checkpoint_does_not_know_is_put_behind_it() -> None:
    plan = plan_state(checkpoint(*FIRST), "ada", told(*FIRST, *TURN[:4]))
    assert messages(plan, after=RAW) == [
        ("user", ["Weigh her."]),
        ("assistant", ["I call.", "scale"]),
        ("tool", ["4 kg"]),
    ]
    assert plan.said is None


def test_or_told_in_the_message_where_that_is_the_form() -> None:
    text = Telling(form=Form.TEXT)
    plan = plan_state(checkpoint(*FIRST), "ada", told(*FIRST, *TURN, NOW), telling=text)
    assert plan.state == RAW
    assert "4 kg" in the_text(plan.said)
    assert the_text(plan.said).endswith("Current request: Who is my cat?")


def test_a_run_adds_blobs_for_itself_only() -> None:
    kept = checkpoint(*FIRST)
    plan = plan_state(kept, "ada", told(*FIRST, *TURN, NOW))
    plan.blobs.put(b"more")
    assert len(kept.blobs) == 1


def test_what_no_blob_can_hold_goes_into_the_message() -> None:
    kept = checkpoint(*FIRST, blobs=BlobMap({b"r" * 32: b"root"}, BlobLimits(count=1)))
    plan = plan_state(kept, "ada", told(*FIRST, *TURN, NOW))
    assert plan.state == RAW
    assert "4 kg" in the_text(plan.said)


members = st.lists(
    st.tuples(st.integers(38, 4000), st.binary(max_size=40)), min_size=1, max_size=4
).map(lambda fields: b"".join(_varint(n << 3 | 2) + _varint(len(d)) + d for n, d in fields))


@settings(max_examples=60)
@given(members, st.binary(max_size=8))
def test_whatever_the_bytes_are_they_come_back(unknown: bytes, garbage: bytes) -> None:
    for raw in (unknown, RAW + unknown, garbage):
        plan = plan_state(checkpoint(*FIRST, state=raw), "ada", told(*FIRST, NOW))
        run = AgentRunRequest(conversation_state=plan.state)
        wire = AgentClientMessage(run_request=run).SerializeToString()
        assert raw in wire
        sent = AgentClientMessage.FromString(wire).run_request.conversation_state
        assert sent == raw


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


# --- the history told anew -----------------------------------------------------------------------


def test_a_first_request_is_a_state_with_the_system_prompt() -> None:
    plan = plan_state(None, "ada", told(user("hello", png())))
    assert messages(plan) == [("system", "Be brief.")]
    assert plan.said is not None
    assert len(plan.said) == 2


def test_results_without_a_run_are_told_in_their_turn() -> None:
    plan = plan_state(None, "bob", told(*FIRST, *TURN[:4]))
    assert messages(plan) == [
        ("system", "Be brief."),
        ("user", ["My cat is Mia."]),
        ("assistant", ["Nice."]),
        ("user", ["Weigh her."]),
        ("assistant", ["I call.", "scale"]),
        ("tool", ["4 kg"]),
    ]
    assert plan.said is None


def test_as_text_everything_is_in_the_message() -> None:
    plan = plan_state(None, "ada", told(*FIRST, *TURN, NOW), telling=Telling(form=Form.TEXT))
    assert plan.form is Form.TEXT
    assert messages(plan) == [("system", "Be brief.")]
    text = the_text(plan.said)
    assert text.index("Mia") < text.index("scale") < text.index("4 kg") < text.index("Who is")


def test_a_rule_is_not_in_the_state() -> None:
    plan = plan_state(None, "ada", told(NOW), telling=Telling(system=SystemPlace.RULE))
    assert plan.state == b""


def test_old_output_is_cut_to_the_window_and_that_is_said() -> None:
    long = [user("go"), called("c", "f"), gave("c", "x" * 40_000), said("ok"), NOW]
    plan = plan_state(None, "ada", told(*long), telling=Telling(window=8000, reserved=2000))
    assert plan.tokens < 6000
    assert "oldest tool outputs" in plan.notes[0]
    assert "characters were cut here" in str(plan.blobs.items())
    small = plan_state(None, "ada", told(NOW), telling=Telling(window=4000, reserved=16_000))
    assert small.notes == ()
    huge = told(user("x" * 100_000))
    with pytest.raises(BadRequest, match="8000"):
        plan_state(None, "ada", huge, telling=Telling(window=8000))


def test_more_than_can_be_kept_is_too_much() -> None:
    with pytest.raises(BadRequest) as caught:
        plan_state(None, "ada", told(*FIRST, NOW), telling=Telling(blobs=BlobLimits(count=2)))
    assert caught.value.code == "context_length_exceeded"


def test_changes_are_noted() -> None:
    plan = plan_state(None, "ada", told(user("go"), called("c", "f"), user("stop")))
    assert plan.notes == ("1 tool calls had no result; the model is told so.",)
