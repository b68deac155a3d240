"""Failed attempts as flows of their own, for whoever watches."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from mitmproxy import http, options
from mitmproxy.addons import save, view
from mitmproxy.io import FlowReader
from mitmproxy.master import Master
from mitmproxy.test import tflow

from addons.debug.description import FAILED
from addons.debug.witness import show_attempt
from addons.driver import Replan, drive, driver_of
from addons.exchange import Attempt, Exchange
from addons.providers.contract import Ended
from tests.fakes import FakeProvider, exchange_of


@dataclass
class Watching:
    hooks: list[tuple[str, http.HTTPFlow]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        if name not in ("requestheaders", "request", "responseheaders", "response", "error"):
            raise AttributeError(name)
        return lambda flow: self.hooks.append((name, flow))


@pytest.fixture
async def watching() -> AsyncIterator[Watching]:
    master = Master(options.Options())
    watching = Watching()
    master.addons.add(watching)
    yield watching
    await master.done()


def attempt(
    status: int | None = 429, body: bytes = b'{"error":1}', error: str = ""
) -> tuple[http.HTTPFlow, Replan, Exchange]:
    """The flow of a first attempt that was refused."""
    flow = tflow.tflow()
    flow.live = True
    flow.metadata["floway"] = {"exchange": "own"}
    if status is not None:
        flow.response = http.Response.make(status, b"", {"content-type": "application/json"})
    exchange = exchange_of(FakeProvider())
    exchange.attempts = [Attempt("first", status=status, reason="" if error else "limit")]
    ended = Ended.BROKEN if error else Ended.COMPLETE
    driver: Any = object()
    drive(flow, driver)
    return flow, Replan(flow, driver, body, ended, error), exchange


async def test_a_refused_attempt(watching: Watching) -> None:
    flow, replan, exchange = attempt()
    await show_attempt(flow, replan, exchange)
    assert [name for name, _ in watching.hooks] == ["requestheaders", "response"]
    copy = watching.hooks[0][1]
    assert copy is not flow
    assert copy.id != flow.id
    assert not copy.live
    assert copy.marked == FAILED
    assert copy.comment == "attempt 1 · first · not given to the client: limit"
    assert copy.error is None
    assert copy.response is not None
    assert copy.response.raw_content == b'{"error":1}'
    assert copy.response.timestamp_end
    assert copy.metadata["floway"] == {
        "exchange": exchange.id,
        "protocol": exchange.protocol.name,
        "provider": exchange.provider.name,
        "model": "m",
        "attempt": 1,
        "account": "first",
        "status": 429,
        "reason": "limit",
        "verdict": "",
        "continued_in": flow.id,
    }
    assert flow.live
    assert flow.metadata == {"floway": {"exchange": "own"}}
    assert not flow.marked
    assert driver_of(copy) is None, "nobody decides about it any more"


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [(None, "reset", "reset"), (200, "cut", "cut"), (None, "", "no answer")],
)
async def test_a_broken_attempt(
    watching: Watching, status: int | None, error: str, said: str
) -> None:
    flow, replan, exchange = attempt(status, b"half", error)
    await show_attempt(flow, replan, exchange)
    assert [name for name, _ in watching.hooks] == ["requestheaders", "error"]
    copy = watching.hooks[0][1]
    assert copy.error is not None
    assert copy.error.msg == said
    assert (copy.response is None) is (status is None)


async def test_it_is_in_the_view_and_in_the_recording(tmp_path: Any) -> None:
    master = Master(options.Options())
    flows, saving = view.View(), save.Save()
    master.addons.add(flows, saving)
    file = tmp_path / "flows"
    master.options.update(save_stream_file=str(file))
    for status, error in ((429, ""), (None, "reset")):
        await show_attempt(*attempt(status, b"", error))
    await master.done()
    assert [flow.marked for flow in flows] == [FAILED, FAILED]
    saved = list(FlowReader(io.BytesIO(file.read_bytes())).stream())
    assert [flow.metadata["floway"]["status"] for flow in saved] == [429, None]
