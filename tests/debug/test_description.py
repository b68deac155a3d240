"""What a person sees of an exchange in the list of flows."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.test import tflow
from mitmproxy.utils import emoji

from addons.debug.description import (
    DIFFERS,
    FAILED,
    FAILOVER,
    MARKERS,
    METADATA,
    REFUSED,
    REPLAYED,
    TRUNCATED,
    describe,
)
from addons.exchange import Attempt, Usage
from addons.providers.contract import Outcome
from tests.fakes import FakeProvider, Mishap, exchange_of


def test_how_far_an_exchange_has_come() -> None:
    flow, exchange = tflow.tflow(), exchange_of(FakeProvider())
    exchange.conversation = "local:0123456789abcdef"
    exchange.summary |= {"profile": "codex@1", "session": "s"}
    exchange.attempts = [Attempt("one", status=429, reason="limit"), Attempt("two", status=200)]
    exchange.attempts[0].started = exchange.started
    exchange.attempts[1].started = exchange.started + 0.25
    describe(flow, exchange, 3)
    assert flow.comment == "89abcdef · two · codex@1 · attempt 2/3"
    assert flow.marked == FAILOVER
    assert flow.metadata[METADATA] == {
        "exchange": exchange.id,
        "protocol": exchange.protocol.name,
        "provider": "fake",
        "model": "m",
        "conversation": "local:0123456789abcdef",
        "profile": "codex@1",
        "session": "s",
        "account": "two",
        "attempts": [
            {"account": "one", "status": 429, "reason": "limit", "verdict": "", "after": 0.0},
            {"account": "two", "status": 200, "reason": "", "verdict": "", "after": 0.25},
        ],
        "comment": flow.comment,
        "marker": FAILOVER,
    }
    exchange.outcome = Outcome.FAILED
    exchange.summary["error"] = "relay_failed"
    describe(flow, exchange)
    assert flow.comment == "89abcdef · two · codex@1 · attempt 2 · relay_failed"
    assert flow.metadata[METADATA]["outcome"] == "failed"
    assert flow.marked == REFUSED


def test_markers() -> None:
    flow, exchange = tflow.tflow(), exchange_of(FakeProvider())
    exchange.attempts = [Attempt("one", status=200)]
    describe(flow, exchange)
    assert flow.marked == ""
    exchange.outcome = Outcome.TRUNCATED
    describe(flow, exchange)
    assert flow.marked == TRUNCATED
    exchange.outcome, exchange.attempts = Outcome.FAILED, []
    exchange.summary["error"] = "no_accounts"
    describe(flow, exchange)
    assert flow.marked == REFUSED
    exchange.attempts = [Attempt("one", status=403), Attempt("two", status=403)]
    exchange.summary["error"] = "upstream_blocked"
    describe(flow, exchange)
    assert flow.marked == "", "none took over; the failed attempts have markers of their own"
    exchange.summary = {"replay_of": "another"}
    exchange.attempts = [Attempt("one", status=200)]
    describe(flow, exchange)
    assert flow.marked == REPLAYED
    assert flow.comment.startswith("replay · ")
    assert set(MARKERS) == {FAILOVER, FAILED, REPLAYED, REFUSED, DIFFERS, TRUNCATED}
    assert all(marker in emoji.emoji for marker in MARKERS)


def test_a_person_s_marker_stays() -> None:
    flow, exchange = tflow.tflow(), exchange_of(FakeProvider())
    flow.marked = ":skull:"
    exchange.outcome = Outcome.TRUNCATED
    describe(flow, exchange)
    assert flow.marked == ":skull:"


def test_how_much_came_from_the_cache() -> None:
    flow, exchange = tflow.tflow(), exchange_of(FakeProvider())
    exchange.attempts = [Attempt("one", status=200)]
    exchange.usage = Usage(input_tokens=2000, cached_tokens=1920)
    describe(flow, exchange)
    assert flow.comment == "one · cache 96 %"
    exchange.usage = Usage()
    describe(flow, exchange)
    assert flow.comment == "one"


def test_a_person_s_comment_stays() -> None:
    flow, exchange = tflow.tflow(), exchange_of(FakeProvider())
    describe(flow, exchange)
    flow.comment = "look at this one"
    exchange.attempts = [Attempt("one")]
    describe(flow, exchange)
    assert flow.comment == "look at this one"
    assert flow.metadata[METADATA]["account"] == "one"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from([Mishap("x"), Outcome.FAILED, object]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.frozensets(st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_whatever_a_provider_notes_the_flow_can_be_saved(summary: dict[str, Any]) -> None:
    flow, exchange = tflow.tflow(), exchange_of(FakeProvider())
    exchange.summary = summary
    describe(flow, exchange)
    file = io.BytesIO()
    FlowWriter(file).add(flow)
    file.seek(0)
    (loaded,) = FlowReader(file).stream()
    assert loaded.metadata == flow.metadata
