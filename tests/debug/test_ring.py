"""The list of flows under a size: what goes, what stays, and that it is bounded under load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.addons.view import View
from mitmproxy.test import taddons, tflow, tutils

from addons.debug.client_side import CLIENT
from addons.debug.description import FAILED, FAILOVER
from addons.debug.ring import OVERHEAD, Ring, size_of

LIMIT = 10 * OVERHEAD


class Listed:
    """A list of flows, and the ring that keeps it small."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.view = View()
        self.ring = Ring(lambda: limit)
        self.context = taddons.context(self.view, self.ring)

    def ended(self, size: int = 0, marked: str = "") -> http.HTTPFlow:
        """A flow that has come and gone."""
        response = tutils.tresp(content=b"x" * size)
        flow = tflow.tflow(req=tutils.treq(content=b""), resp=response)
        flow.marked = marked
        self.view.requestheaders(flow)
        self.ring.response(flow)
        return flow

    @property
    def ids(self) -> list[str]:
        return [flow.id for flow in self.view]


@pytest.fixture
def listed() -> Iterator[Listed]:
    listed = Listed()
    with listed.context:
        yield listed


def test_the_oldest_go_first(listed: Listed) -> None:
    flows = [listed.ended() for _ in range(14)]
    listed.view.focus.flow = flows[-1]
    assert listed.ids == [flow.id for flow in [flows[0], *flows[5:]]], "the first had the focus"
    listed.ended()
    assert flows[0].id not in listed.ids
    assert listed.ring.bytes <= LIMIT


def test_what_a_person_marked_or_looks_at_stays(listed: Listed) -> None:
    looked_at = listed.ended()
    marked = listed.ended(marked=":grapes:")
    floway_s = [listed.ended(marked=marker) for marker in (FAILED, FAILOVER)]
    assert listed.view.focus.flow is looked_at
    for _ in range(30):
        listed.ended()
    assert looked_at.id in listed.ids
    assert marked.id in listed.ids
    assert not {flow.id for flow in floway_s} & {*listed.ids}, "floway's own markers keep nothing"


def test_a_flow_that_is_larger_than_all_stays_while_it_is_the_newest(listed: Listed) -> None:
    huge = listed.ended(20 * OVERHEAD)
    listed.view.focus.flow = None
    assert listed.ids == [huge.id]
    small = listed.ended()
    listed.view.focus.flow = small
    listed.ended()
    assert huge.id not in listed.ids


def test_a_flow_that_goes_on_is_not_counted(listed: Listed) -> None:
    flow = tflow.twebsocketflow()
    assert flow.websocket is not None
    flow.websocket.timestamp_end = None
    listed.view.requestheaders(flow)
    listed.ring.response(flow)
    assert listed.ring.bytes == 0
    flow.websocket.timestamp_end = 1.0
    listed.ring.websocket_end(flow)
    assert listed.ring.bytes == size_of(flow)
    listed.ring.error(flow)
    assert listed.ring.bytes == size_of(flow), "counted once"


def test_what_a_person_removed_is_forgotten(listed: Listed) -> None:
    flows = [listed.ended() for _ in range(8)]
    listed.view.remove(flows)
    for _ in range(40):
        listed.ended()
    assert len(listed.ids) <= 10
    assert listed.ring.bytes <= LIMIT


def test_without_a_limit_and_without_a_list_nothing_happens() -> None:
    unlimited = Listed(0)
    with unlimited.context:
        flows = [unlimited.ended() for _ in range(20)]
        assert len(unlimited.ids) == len(flows)
    ring = Ring(lambda: LIMIT)
    with taddons.context(ring):
        ring.response(tflow.tflow(resp=True))
        assert ring.bytes == 0


def test_what_a_flow_holds() -> None:
    flow = tflow.tflow(req=tutils.treq(content=b"12345"), resp=tutils.tresp(content=b"123"))
    assert size_of(flow) == OVERHEAD + 8
    flow.metadata[CLIENT] = {"body": b"1234567"}
    assert size_of(flow) == OVERHEAD + 15
    flow.metadata[CLIENT] = "of another version"
    assert size_of(flow) == OVERHEAD + 8
    socket = tflow.twebsocketflow()
    assert socket.websocket is not None
    assert size_of(socket) > OVERHEAD + 200 * len(socket.websocket.messages)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 12 * OVERHEAD), st.booleans()), max_size=40))
def test_under_load_it_stays_bounded(given: list[tuple[int, bool]]) -> None:
    listed = Listed()
    with listed.context:
        for size, marked in given:
            looked_at = listed.view.focus.flow
            newest = listed.ended(size, ":grapes:" if marked else "")
            kept = [flow for flow in listed.view if isinstance(flow, http.HTTPFlow)]
            free = [flow for flow in kept if not flow.marked and flow not in (newest, looked_at)]
            pinned = sum(size_of(flow) for flow in kept) - sum(map(size_of, free))
            assert newest in kept
            assert not free or sum(map(size_of, free)) + pinned <= LIMIT
            assert listed.ring.bytes == sum(map(size_of, kept))
            listed.view.focus.flow = newest
        marks = sum(marked for _, marked in given)
        assert sum(bool(flow.marked) for flow in listed.view) == marks
