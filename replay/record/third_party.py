"""Recordings of clients that are no official Codex: what they send to a gateway.

A client is a :class:`Client`: its name, how its release is installed, its scenarios and its driver.
One recording is one run of one scenario, with a proxy, a gateway and folders of its own.
"""

from __future__ import annotations

import asyncio
import datetime
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from fingerprints import trace_file
from fingerprints.errors import TraceError
from fingerprints.trace import Conditions, Exchange, Origin, Trace
from fingerprints.trace_slim import slim
from replay.record.errors import Lacking, RecordError
from replay.record.gateway_session import GatewaySession
from replay.record.lean import lean
from replay.record.runner import TRIES, Outcome, Run
from replay.record.scenarios import Case, Scenario

CASES = (Case(http="HTTP/1.1"),)
"""A gateway without TLS has one way to be asked."""

KEY = "sk-made-up-key-of-nobody-0000"
"""What clients are given for a key."""


@dataclass(frozen=True, slots=True)
class ClientScenario(Scenario):
    """A scenario of a third-party client; ``requests`` and ``output`` as of the official one.

    Attributes:
        path: of the requests for answers, without query.
        model: that is asked for; "" for the client's own choice.
    """

    path: str = "/v1/responses"
    model: str = ""


class Release(Protocol):
    """An installed release of a client."""

    @property
    def release(self) -> str: ...

    async def drive(self, session: GatewaySession, scenario: ClientScenario) -> str:
        """Run the client through a scenario; gives the end of what it said.

        Raises:
            Lacking: the release has no such thing.
            RecordError: it failed, with the end of its output.
        """


@dataclass(frozen=True, slots=True)
class Client:
    """What can be recorded.

    Attributes:
        name: as in traces.
        surface: as in :class:`fingerprints.trace.Conditions`.
        install: ``install(wanted, cache, tell=…)`` gives the release, installed.
        tidy: takes out of a trace what redaction in general cannot know.
    """

    name: str
    surface: str
    scenarios: tuple[ClientScenario, ...]
    install: Callable[..., Awaitable[Release]]
    tidy: Callable[[Trace], Trace] = lambda trace: trace


def plan(chosen: Sequence[ClientScenario], runs: int) -> list[Run]:
    """All runs, in order."""
    return [Run(each, each.cases[0], number) for each in chosen for number in range(1, runs + 1)]


class ClientRunner:
    """Records one installed release; see :class:`replay.record.runner.CodexRunner`."""

    def __init__(
        self,
        client: Client,
        release: Release,
        cache: Path,
        out: Path,
        *,
        told: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._release = release
        self._cache = cache
        self._out = out
        self._told = told

    async def record(self, runs: Sequence[Run], jobs: int) -> list[Outcome]:
        """Make the recordings; the outcomes are in the order of the runs."""
        free = asyncio.Semaphore(max(1, jobs))

        async def one(run: Run) -> Outcome:
            async with free:
                outcome = await self._run(run)
            self._told(outcome)
            return outcome

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(run)) for run in runs]
        return [task.result() for task in tasks]

    async def _run(self, run: Run) -> Outcome:
        problem = RecordError("was not tried")
        for _ in range(TRIES):
            try:
                return await self._recorded(run)
            except Lacking as lacking:
                return Outcome(run, "lacking", str(lacking))
            except RecordError as error:
                problem = error
            except (TraceError, OSError) as error:
                problem = RecordError(str(error))
        return Outcome(run, "failed", str(problem), problem.output)

    async def _recorded(self, run: Run) -> Outcome:
        scenario = run.scenario
        assert isinstance(scenario, ClientScenario)
        async with GatewaySession(self._cache, self._head(scenario, run.number)) as session:
            said = await self._release.drive(session, scenario)
        trace = session.trace
        wrong = problems(trace, scenario)
        if wrong:
            raise RecordError("; ".join(wrong), said)
        kept = self._client.tidy(slim(lean(trace)))
        return Outcome(
            run,
            "recorded",
            file=trace_file.write(kept, self._out),
            exchanges=len(kept.exchanges),
        )

    def _head(self, scenario: ClientScenario, number: int) -> Trace:
        return Trace(
            client=self._client.name,
            release=self._release.release,
            scenario=scenario.name,
            conditions=Conditions(
                transport="http",
                sign_in="api_key",
                surface=self._client.surface,
                model=scenario.model,
                http="HTTP/1.1",
            ),
            origin=Origin(
                tool=f"floway record {version('floway')}",
                on=datetime.datetime.now(datetime.UTC).date().isoformat(),
                system=f"{platform.system()} {platform.machine()}".lower(),
                run=number,
            ),
        )


# --- what a recording must show ------------------------------------------------------------------


def problems(trace: Trace, scenario: ClientScenario) -> list[str]:
    """Why a trace does not show what its scenario is for; empty when it does."""
    asked = [each for each in trace.exchanges if _answered(each, scenario.path)]
    found = []
    if len(asked) < scenario.requests:
        found.append(
            f"{scenario.requests} answered requests to {scenario.path} were expected, "
            f"{len(asked)} are there"
        )
    if scenario.output and not any(has_output(each) for each in asked):
        found.append("no tool's output was sent back")
    return found


def _answered(exchange: Exchange, path: str) -> bool:
    answer = exchange.answer
    same = exchange.method == "POST" and exchange.path.partition("?")[0] == path
    return same and answer is not None and answer.status == 200 and answer.ended == "complete"


def has_output(exchange: Exchange) -> bool:
    """Whether a request sends a tool's output, in any of the protocols."""
    data: Any = exchange.body.data if exchange.body is not None else None
    if not isinstance(data, dict):
        return False
    entries = [*_listed(data.get("input")), *_listed(data.get("messages"))]
    blocks = [block for entry in entries for block in _listed(entry.get("content"))]
    return any(
        entry.get("type") in ("function_call_output", "tool_result") or entry.get("role") == "tool"
        for entry in [*entries, *blocks]
    )


def _listed(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
