"""Which requests share an upstream connection: those to one origin, in one lane, one protocol."""

from __future__ import annotations

import copy
import pickle

import pytest

from addons.driver import Origin
from tests.stream.behaviours import refuse, succeed
from tests.stream.conftest import MakeUpstream, Proxy
from tests.stream.drivers import Target

CLIENTS = pytest.mark.parametrize("client_kind", ["h1", "h2"])


@CLIENTS
async def test_lanes_share_no_connection(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    upstream = await make_upstream("h2")
    client = await proxy.client(client_kind)
    connections: dict[str, set[int]] = {}
    for lane in "abcabcaab":
        proxy.wishes.targets = [Target("https", upstream.port, lane)]
        assert (await client.ask()).status == 200
        connections.setdefault(lane, set()).add(upstream.seen[-1].connection)
    assert [len(used) for used in connections.values()] == [1, 1, 1]
    assert len(set.union(*connections.values())) == 3


@CLIENTS
@pytest.mark.parametrize("upstream_kind", ["h1", "h2"])
async def test_next_account_is_on_another_connection(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, upstream_kind: str
) -> None:
    upstream = await make_upstream("h2" if upstream_kind == "h2" else "h1")
    proxy.aim(upstream, upstream, lanes="ab")
    upstream.answers(refuse(), succeed(), refuse(), succeed())
    client = await proxy.client(client_kind)
    for _ in range(2):
        assert (await client.ask()).status == 200
    by_attempt = {
        attempt: {seen.connection for seen in upstream.seen if seen.attempt == attempt}
        for attempt in (1, 2)
    }
    assert not by_attempt[1] & by_attempt[2]
    if client_kind == "h1" or upstream_kind == "h2":
        assert upstream.accepted == 2, "each lane's connection is used again"


@CLIENTS
async def test_without_http2(proxy: Proxy, make_upstream: MakeUpstream, client_kind: str) -> None:
    """The same origin and lane, with and without HTTP/2: connections of their own."""
    upstream = await make_upstream("both")
    client = await proxy.client(client_kind)
    for http2 in (True, False, True, False):
        proxy.wishes.targets = [Target("https", upstream.port, "a", http2)]
        assert (await client.ask()).status == 200
        assert upstream.seen[-1].http2 is http2
    assert upstream.accepted == (2 if client_kind == "h1" else 3)


async def test_foreign_flows_share_no_connection_with_driven_ones(
    proxy: Proxy, make_upstream: MakeUpstream
) -> None:
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    client = await proxy.client("h1")
    for path in ("/", "/stock", "/", "/stock"):
        assert (await client.ask(path)).status == 200
    assert [seen.connection for seen in upstream.seen] == [0, 1, 0, 1]


def test_origin_is_an_address() -> None:
    origin = Origin("example.test", 443, "a", http2=True)
    host, port = origin
    assert (host, port) == ("example.test", 443)
    assert isinstance(origin, tuple)
    assert origin[:1] == ("example.test",)


def test_origin_is_equal_within_a_lane_and_protocol() -> None:
    origin = Origin("example.test", 443, "a", http2=True)
    same = Origin("example.test", 443, "a", http2=True)
    assert origin == same
    assert hash(origin) == hash(same)
    others = [
        Origin("example.test", 443, "b", http2=True),
        Origin("example.test", 443, "a", http2=False),
        Origin("example.test", 444, "a", http2=True),
        Origin("other.test", 443, "a", http2=True),
        ("example.test", 443),
    ]
    for other in others:
        assert origin != other
        assert other != origin
        assert [origin, other].count(other) == 1  # `==`, which is a method of its own
        assert [other, origin].count(origin) == 1
    assert len({origin, same, *others}) == 6


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))]
)
def test_origin_can_be_copied(copied) -> None:  # type: ignore[no-untyped-def]
    origin = Origin("example.test", 443, "a", http2=False)
    assert copied(origin) == origin
