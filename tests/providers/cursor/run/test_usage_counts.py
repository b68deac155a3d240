from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentRunRequest,
    TurnEndedUpdate,
)
from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_outputs import TurnEnded, Usage
from addons.providers.cursor.run.usage_counts import UsageCounts
from addons.providers.cursor.telling.blobs import BlobMap
from tests.providers.cursor.server_messages import state, text, turn_ended


def test_the_server_s_count() -> None:
    counts = UsageCounts(4000)
    counts.delta(30)
    update = TurnEndedUpdate(
        input_tokens=1000,
        output_tokens=40,
        cache_read_tokens=600,
        cache_write_tokens=100,
        reasoning_tokens=10,
    )
    assert counts.at_end(update, blob_bytes=0) == Usage(1000, 40, 600, 100, 10)


def test_without_a_count_the_deltas_and_sizes_are_the_estimate() -> None:
    for update in (None, TurnEndedUpdate()):
        counts = UsageCounts(4000)
        counts.delta(30)
        counts.text(12)
        assert counts.at_end(update, blob_bytes=400) == Usage(1100, 30, estimated=True)


def test_without_deltas_the_text_is_counted() -> None:
    counts = UsageCounts(0)
    counts.text(9)
    assert counts.so_far(blob_bytes=0) == Usage(1, 3, estimated=True)


def test_the_state_s_word_on_the_context_is_better_than_sizes() -> None:
    counts = UsageCounts(4000)
    counts.delta(50)
    counts.checkpoint(state(used_tokens=12_050))  # the 50 are in it
    assert counts.so_far(blob_bytes=9999) == Usage(12_000, 50, estimated=True)
    counts.checkpoint(b"\xff")  # which nobody can read: the last word stands
    counts.result(400)
    assert counts.so_far(blob_bytes=0) == Usage(12_150, 0, estimated=True)


def test_a_run_that_continues_a_state_reads_all_that_is_in_it() -> None:
    counts = UsageCounts(400, state(used_tokens=50_000))
    counts.text(40)
    assert counts.so_far(blob_bytes=9999) == Usage(50_100, 10, estimated=True)


def test_a_prompt_of_all_steps_together_is_not_this_prompt() -> None:
    update = TurnEndedUpdate(input_tokens=90_000, output_tokens=1, cache_read_tokens=81_000)
    counts = UsageCounts(0)
    counts.checkpoint(state(used_tokens=20_000))
    assert counts.at_end(update, blob_bytes=0) == Usage(20_000, 1, 18_000, estimated=True)
    counts = UsageCounts(0)
    counts.checkpoint(state(used_tokens=40_000))
    assert counts.at_end(update, blob_bytes=0) == Usage(90_000, 1, 81_000)


def test_cache_reads_beside_the_input_are_part_of_the_prompt() -> None:
    update = TurnEndedUpdate(input_tokens=100, output_tokens=1, cache_read_tokens=900)
    assert UsageCounts(0).at_end(update, blob_bytes=0) == Usage(1000, 1, 900)


def test_the_output_of_earlier_responses_is_not_told_twice() -> None:
    counts = UsageCounts(0)
    counts.delta(30)
    assert counts.so_far(blob_bytes=0).output_tokens == 30
    counts.delta(12)
    update = TurnEndedUpdate(input_tokens=100, output_tokens=45)
    last = counts.at_end(update, blob_bytes=0)
    assert last.output_tokens == 15
    assert last.estimated


@settings(max_examples=100)
@given(
    st.lists(st.integers(-5, 1000), max_size=4),
    st.dictionaries(
        st.sampled_from([field.name for field in TurnEndedUpdate.DESCRIPTOR.fields]),
        st.integers(-(2**63), 2**63 - 1),
    ),
    st.integers(0, 2**32 - 1),
)
def test_counts_make_sense_whatever_the_server_says(
    deltas: list[int], told: dict[str, int], used: int
) -> None:
    counts = UsageCounts(100)
    counts.checkpoint(state(used_tokens=used))
    for tokens in deltas:
        counts.delta(tokens)
        first = counts.so_far(blob_bytes=0)
        assert first.input_tokens >= 0
        assert first.output_tokens >= 0
    usage = counts.at_end(TurnEndedUpdate(**told), blob_bytes=0)
    assert 0 <= usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens


def test_a_run_knows_the_state_that_it_continues() -> None:
    given = AgentRunRequest(conversation_state=state(used_tokens=70_000))
    run = RunMachine(BlobMap(), run_id="r")
    run.start(AgentClientMessage(run_request=given).SerializeToString(), 0.0)
    run.received(text("x"), 1.0)
    run.received(turn_ended(), 1.0)
    (end,) = run.ended(None, 1.0)
    assert isinstance(end, TurnEnded)
    assert 70_000 <= end.usage.input_tokens < 70_010
    assert end.usage.estimated
