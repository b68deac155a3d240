"""All recordings that were asked for: which there are, so many at a time, and what came of each.

One recording is one run of one case of one scenario. It has a proxy, a sandbox and folders of its
own, so that any number may run at once.
"""

from __future__ import annotations

import asyncio
import datetime
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from fingerprints import trace_file
from fingerprints.errors import TraceError
from fingerprints.trace import Origin, Trace
from replay.record import catalogue, codex, scenarios
from replay.record.codex import Abilities, Driver
from replay.record.errors import Lacking, RecordError
from replay.record.install import Installed
from replay.record.lean import lean
from replay.record.scenarios import OTHER, Case, Scenario
from replay.record.session import Session

TRIES = 2
"""A busy machine may make a client miss its time; a defect fails twice."""


@dataclass(frozen=True, slots=True)
class Run:
    """One recording to make. ``number``: from 1, among equal ones."""

    scenario: Scenario
    case: Case
    number: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        status: ``lacking``: the release has no such thing, ``reason`` says what.
        output: the end of the client's output after a failure, without secrets.
        file: the trace.
        exchanges: in it.
    """

    run: Run
    status: Literal["recorded", "lacking", "failed"]
    reason: str = ""
    output: str = ""
    file: Path | None = None
    exchanges: int = 0


@dataclass(slots=True)
class _WebSocket:
    """What is known of a release's WebSocket with one kind of sign-in; None: not yet tried."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    spoken: bool | None = None


def plan(chosen: Sequence[Scenario], runs: int) -> list[Run]:
    """All runs, in the order in which they are begun.

    The first one over WebSocket comes first, since the others over WebSocket wait for what it
    finds; those over HTTP fill the time.
    """
    all_runs = [
        Run(scenario, case, number)
        for scenario in chosen
        for case in scenario.cases
        for number in range(1, runs + 1)
    ]
    sockets = [run for run in all_runs if run.case.transport == "websocket"]
    plain = [run for run in all_runs if run.case.transport == "http"]
    return [*sockets[:1], *plain, *sockets[1:]]


class CodexRunner:
    """Records one installed release.

    Args:
        cache: for scratch folders.
        out: folder of the traces, ``OUT/codex/RELEASE/…``.
        told: called after each run.
    """

    def __init__(
        self,
        installed: Installed,
        cache: Path,
        out: Path,
        *,
        told: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._installed = installed
        self._cache = cache
        self._out = out
        self._told = told
        self._instead: set[str] = set()
        self._sockets = {"chatgpt": _WebSocket(), "api_key": _WebSocket()}

    async def record(self, runs: Sequence[Run], jobs: int) -> list[Outcome]:
        """Make the recordings; the outcomes are in the order of the runs.

        Raises:
            RecordError: the client does not run at all.
        """
        able = await self.abilities()
        if able.catalogue is not None:
            catalogue.write(able.catalogue, self._out)
        free = asyncio.Semaphore(max(1, jobs))

        async def one(run: Run) -> Outcome:
            async with free:
                outcome = await self._run(run, able)
            self._told(outcome)
            return outcome

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(run)) for run in runs]
        return [task.result() for task in tasks]

    async def abilities(self) -> Abilities:
        """What the release can do.

        Raises:
            RecordError: it does not run here.
        """
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache) as home:
            return await codex.abilities(self._installed, Path(home))

    async def _run(self, run: Run, able: Abilities) -> Outcome:
        try:
            lacking = able.lacking(run.scenario)
            if lacking:
                raise Lacking(lacking)
            if run.case.transport == "http":
                return await self._tried(run, able)
            socket = self._sockets[run.scenario.sign_in]
            if socket.spoken is None:
                async with socket.lock:
                    if socket.spoken is None:
                        return await self._tried(run, able)
            if not socket.spoken:
                raise _no_websocket(able)
            return await self._tried(run, able)
        except Lacking as lacking_:
            return Outcome(run, "lacking", str(lacking_))
        except RecordError as error:
            return Outcome(run, "failed", str(error), error.output)

    async def _tried(self, run: Run, able: Abilities) -> Outcome:
        scenario, problem = run.scenario, RecordError("")
        ways = [scenario] * TRIES
        if scenario.instead is not None and not able.lacking(scenario.instead):
            ways = [scenario, scenario.instead, scenario.instead]
            if scenario.name in self._instead:
                ways = ways[1:]
        for way in ways:
            try:
                outcome = await self._recorded(replace(run, scenario=way), able)
            except (RecordError, TraceError, OSError) as error:
                problem = error if isinstance(error, RecordError) else RecordError(str(error))
                continue
            if way is not scenario:
                self._instead.add(scenario.name)
            return replace(outcome, run=run)
        raise problem

    async def _recorded(self, run: Run, able: Abilities) -> Outcome:
        scenario, case = able.fitted(run.scenario), run.case
        other = able.other_model() if case.model == OTHER else ""
        head = Trace(
            client=self._installed.package.client,
            release=self._installed.release,
            scenario=scenario.name,
            conditions=scenarios.conditions(scenario, case, other),
            origin=Origin(
                tool=f"floway record {version('floway')}",
                on=datetime.datetime.now(datetime.UTC).date().isoformat(),
                system=f"{platform.system()} {platform.machine()}".lower(),
                run=run.number,
            ),
        )
        async with Session(self._cache, head) as session:
            driver = Driver(self._installed, able, session, scenario, model=other, git=case.git)
            await driver.drive()
        trace = lean(session.trace)
        if case.transport == "websocket":
            spoken = scenarios.speaks_websocket(trace)
            self._sockets[scenario.sign_in].spoken = spoken
            if not spoken:
                raise _no_websocket(able)
        wrong = scenarios.problems(trace, scenario, case)
        if wrong:
            raise RecordError("; ".join(wrong), driver.said)
        file = trace_file.write(trace, self._out)
        return Outcome(run, "recorded", file=file, exchanges=len(trace.exchanges))


def _no_websocket(able: Abilities) -> Lacking:
    return Lacking(f"{able.release} asks for no WebSocket")
