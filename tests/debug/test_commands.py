"""The commands as mitmweb and the console run them: by name, with words."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy import exceptions, flow, http
from mitmproxy.addons.view import View
from mitmproxy.test import taddons, tflow, tutils
from mitmproxy.tools.web.webaddons import WebAddon

from addons.accounts.cooldowns import Cooldowns
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import Pool
from addons.debug.client_side import CLIENT
from addons.debug.commands import ANY, Commands
from addons.debug.description import DIFFERS, METADATA, TRIMMED
from addons.debug.replaying import Replays
from addons.debug.views.contentviews import shipped
from addons.operate.contract import Operated
from addons.operate.errors import ControlError
from fingerprints import trace_file
from tests.stream.conftest import until

NOW = 1_800_000_000.0


@dataclass
class FakeDesk:
    """Steers nothing, and says what was asked."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    error: ControlError | None = None

    async def pin(self, name: str) -> None:
        await self._noted("pin", name)

    async def unpin(self) -> None:
        await self._noted("unpin", "")

    async def clear_cooldowns(self, name: str = "") -> None:
        await self._noted("clear", name)

    async def _noted(self, what: str, name: str) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append((what, name))


@dataclass
class FakeReplays(Replays):
    """Sends nothing."""

    sent: list[httpx.Request] = field(default_factory=list)
    failure: httpx.HTTPError | None = None

    def __post_init__(self) -> None:
        super().__init__(lambda: "127.0.0.1:8080")

    async def send(self, request: httpx.Request) -> int:
        if self.failure is not None:
            raise self.failure
        self.sent.append(request)
        return 200


class Bench:
    """The commands beside a list of flows."""

    def __init__(self, *more: object) -> None:
        self.accounts = [Account("codex", name, f"handle-{name}", object()) for name in "ab"]
        self.pool = Pool(self.accounts, cooldowns=Cooldowns(jitter=lambda: 0.0))
        self.desk: FakeDesk | None = FakeDesk()
        self.replays = FakeReplays()
        self.view = View()
        self.commands = Commands(
            shipped,
            lambda: self.desk,  # type: ignore[arg-type, return-value]
            lambda: [Operated("codex", self.pool), Operated("other", Pool([]))],
            lambda: NOW,
            self.replays,
        )
        self.context = taddons.context(self.view, self.commands, *more)

    def run(self, *words: str) -> list[str]:
        """As the command bar does it; an error is told as such."""
        result: Any = self.context.master.commands.call_strings(words[0], list(words[1:]))
        assert result is None or isinstance(result, list)
        return result or []

    def text(self, *words: str) -> str:
        return "\n".join(self.run(*words))

    def listed(self, **summary: Any) -> http.HTTPFlow:
        found = tflow.tflow(
            req=tutils.treq(
                method=b"POST", path=b"/backend-api/codex/responses", content=b'{"model": "m"}'
            ),
            resp=True,
        )
        found.metadata[METADATA] = {"exchange": found.id, "provider": "codex", **summary}
        found.metadata[CLIENT] = {
            "line": "POST /v1/responses",
            "headers": [["authorization", "Bearer secret-of-the-client"]],
            "body": b'{"model": "m"}',
            "left_out": 0,
        }
        self.view.requestheaders(found)
        return found


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    """mitmproxy's level for what a person is told is below a warning."""
    caplog.set_level(logging.INFO)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    with bench.context:
        yield bench
        bench.commands.done()


# --- looking -------------------------------------------------------------------------------------


async def test_explain_links_the_attempts_both_ways(bench: Bench) -> None:
    went_on = bench.listed(account="b", model="m", comment="b")
    went_on.comment = "b · attempt 2"
    failed = bench.listed(account="a", attempt=1, continued_in=went_on.id)
    failed.metadata[METADATA]["exchange"] = went_on.id
    failed.comment = "attempt 1 · a"
    told = bench.text("floway.explain", f"@{went_on.id}")
    assert "account   b" in told
    assert f"@{failed.id}  attempt 1 · a" in told
    told = bench.text("floway.explain", f"@{failed.id}")
    assert f"@{went_on.id}  b · attempt 2" in told
    bench.view.remove([went_on])
    told = bench.text("floway.explain", f"@{failed.id}")
    assert f"@{went_on.id}  (no longer in the list)" in told


async def test_diff_with_the_profile_of_the_flow_or_another(bench: Bench) -> None:
    found = bench.listed(profile="codex@0.169.0")
    told = bench.text("floway.diff", "@focus")
    assert "client    POST /v1/responses" in told
    assert "Check against codex@0.169.0" in told
    assert "secret-of-the-client" not in told
    assert "Check against codex@0.142.0" in bench.text("floway.diff", "@focus", "codex@0.142.0")
    with pytest.raises(exceptions.CommandError):
        bench.run("floway.diff", f"@{found.id}", "codex@0.0.1")
    with pytest.raises(exceptions.CommandError, match=r"no profile 'codex@0\.0\.1'"):
        bench.commands.diff(found, "codex@0.0.1")


async def test_check_marks_what_differs(bench: Bench) -> None:
    differs = bench.listed(profile="codex@0.169.0")
    marked = bench.listed(profile="codex@0.169.0")
    marked.marked = ":grapes:"
    unknown = bench.listed(profile="codex@0.0.1")
    unmade = bench.listed()
    bench.view.requestheaders(tflow.tdnsflow())  # type: ignore[arg-type]
    first, *lines = bench.run("floway.check", "@all")
    assert first == "2 checked, 2 differ"
    assert [line.split()[0] for line in lines] == [f"@{differs.id}", f"@{marked.id}"]
    assert (differs.marked, marked.marked) == (DIFFERS, ":grapes:")
    assert (unknown.marked, unmade.marked) == ("", "")


async def test_websocket_says_what_is_gone(bench: Bench) -> None:
    found = tflow.twebsocketflow()
    assert found.websocket is not None
    for message, content in zip(
        found.websocket.messages,
        (
            {"type": "response.create", "model": "m", "input": []},
            {"type": "response.output_text.delta", "delta": "Hi"},
            {"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}},
        ),
        strict=True,
    ):
        message.content = json.dumps(content).encode()
        message.from_client = content["type"] == "response.create"
        message.type = 1  # type: ignore[assignment]
    bench.view.requestheaders(found)
    told = bench.text("floway.websocket", "@focus")
    assert "response.create m · 0 items" in told
    assert "ended: completed resp_1 completed" in told
    assert "no longer kept" not in told
    found.metadata[TRIMMED] = 12
    first = bench.run("floway.websocket", "@focus")[0]
    assert first.startswith("12 earlier messages are no longer kept")
    assert "websocket_keep_bytes" in first
    found.websocket.messages.clear()
    del found.metadata[TRIMMED]
    assert bench.run("floway.websocket", "@focus") == ["no messages"]


async def test_session_lists_the_conversation(bench: Bench) -> None:
    one = bench.listed(conversation="local:1")
    one.comment = "first"
    bench.listed(conversation="local:2")
    three = bench.listed(conversation="local:1")
    first, *lines = bench.run("floway.session", f"@{three.id}")
    assert first == "local:1: 2 requests in the list"
    assert f"@{one.id}  first" in lines[0]
    assert f"@{three.id}" in lines[1]
    alone = bench.listed()
    with pytest.raises(exceptions.CommandError, match="no conversation"):
        bench.run("floway.session", f"@{alone.id}")


NOT_HTTP = [tflow.tdnsflow(), tflow.ttcpflow()]


@pytest.mark.parametrize("name", ["explain", "diff", "websocket", "session", "replay"])
@pytest.mark.parametrize("found", NOT_HTTP, ids=["dns", "tcp"])
async def test_a_flow_of_another_kind(bench: Bench, name: str, found: flow.Flow) -> None:
    with pytest.raises(exceptions.CommandError, match="no HTTP flow"):
        getattr(bench.commands, name)(found)


async def test_a_flow_that_is_no_websocket(bench: Bench) -> None:
    with pytest.raises(exceptions.CommandError, match="no WebSocket"):
        bench.commands.websocket(bench.listed())


async def test_mitmweb_is_told_in_the_event_log(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(WebAddon())
    with bench.context:
        bench.listed(account="b")
        told = bench.text("floway.explain", "@focus")
        assert told
        assert any(record.getMessage().rstrip() == told for record in caplog.records)


# --- accounts ------------------------------------------------------------------------------------


async def test_accounts_with_what_keeps_them(bench: Bench) -> None:
    a, b = bench.accounts
    bench.pool.cool(a, None, NOW + 90, "usage_limit_reached", now=NOW)
    b.state, b.reason = AccountState.NEEDS_LOGIN, "sign in again"
    bench.pool.pinned = b.handle
    first, second = bench.run("floway.accounts")
    assert first.startswith("codex:a  cools until ")
    assert first.endswith(": usage_limit_reached")
    assert second == "codex:b (pinned)  sign in again"
    bench.pool.replace([], NOW)
    assert bench.run("floway.accounts") == ["no accounts"]


async def test_steering_is_told_when_it_is_done(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    assert bench.desk is not None
    for words in (
        ("floway.use", "b"),
        ("floway.use", ANY),
        ("floway.use",),
        ("floway.cooldown.clear", "a"),
        ("floway.cooldown.clear",),
    ):
        count = len(bench.desk.asked)
        assert bench.run(*words) == []
        await until(lambda count=count: len(bench.desk.asked) > count, "not asked")  # type: ignore[misc, union-attr]
    assert bench.desk.asked == [
        *(("pin", "b"), ("unpin", ""), ("unpin", "")),
        *(("clear", "a"), ("clear", "")),
    ]
    await until(lambda: "every account is asked again" in caplog.text, "not told")
    assert "every conversation goes to b" in caplog.text


async def test_what_goes_wrong_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    assert bench.desk is not None
    bench.desk.error = ControlError(409, "account_disabled", "b is disabled", "enable it")
    bench.run("floway.use", "b")
    await until(lambda: "b is disabled" in caplog.text, "not told")
    assert caplog.records[-1].levelno == logging.WARNING
    with pytest.raises(exceptions.CommandError):
        bench.run("floway.use", "nobody")
    bench.desk = None
    with pytest.raises(exceptions.CommandError, match="not ready yet"):
        bench.run("floway.use", "b")


async def test_completion(bench: Bench) -> None:
    assert bench.run("floway.options.accounts") == [ANY, "a", "b"]
    assert {"codex@0.169.0", "codex@0.142.0"} <= {*bench.run("floway.options.profiles")}


# --- replay --------------------------------------------------------------------------------------


async def test_replay(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    found = bench.listed(profile="codex@0.169.0", model="m")
    assert "sent again" in bench.text("floway.replay", "@focus", "b", "codex@0.142.0")
    await until(lambda: "POST /v1/responses again: HTTP 200" in caplog.text, "not told")
    (request,) = bench.replays.sent
    (asked,) = bench.replays._awaited.values()
    assert (asked.of, asked.account, asked.profile) == (found.id, "b", "codex@0.142.0")
    assert request.content == b'{"model": "m"}'
    bench.replays.failure = httpx.ConnectError("refused")
    bench.run("floway.replay", "@focus")
    await until(lambda: "floway: refused" in caplog.text, "not told")


async def test_what_can_t_be_replayed(bench: Bench) -> None:
    found = bench.listed(model="m")
    with pytest.raises(exceptions.CommandError, match="codex has no account 'z'; it has a, b"):
        bench.commands.replay(found, "z")
    with pytest.raises(exceptions.CommandError, match="leave the profile out"):
        bench.run("floway.replay", "@focus", ANY, "codex@0.142.0")
    del found.metadata[CLIENT]
    with pytest.raises(exceptions.CommandError, match="was not kept"):
        bench.run("floway.replay", "@focus")
    assert bench.replays.sent == []


# --- files ---------------------------------------------------------------------------------------


async def test_export_without_secrets(bench: Bench, tmp_path: Path) -> None:
    found = bench.listed(profile="codex@0.169.0")
    found.request.headers["authorization"] = "Bearer secret-of-the-account"
    bench.view.requestheaders(tflow.tdnsflow())  # type: ignore[arg-type]
    file = tmp_path / "shared.trace.jsonl"
    assert bench.text("floway.export.trace", "@all", str(file)) == f"requests written to {file}: 1"
    assert "secret-of" not in file.read_text()
    trace = trace_file.read(file)
    assert [exchange.method for exchange in trace.exchanges] == ["POST"]
    with pytest.raises(exceptions.CommandError, match="can't be written: No such file"):
        bench.run("floway.export.trace", "@all", str(tmp_path / "no" / "x"))


async def test_what_runs_ends_with_the_addon(bench: Bench) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    bench.commands._start(endless(), str)
    await begun.wait()
    bench.commands.done()
    await asyncio.wait_for(ended.wait(), 5)
