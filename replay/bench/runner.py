"""Runs the targets' turns, interleaved, and reads the clocks."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from replay.bench import profiler
from replay.bench.load import Order
from replay.bench.measurement import Case, Memory, Results, Series, Turn
from replay.bench.processes import Worker, healthy, listens, processor_seconds, resident_bytes
from replay.bench.targets import FAILOVER_MARKER, Target, Workshop
from replay.child import Child, free_port, neutral_environment

SHORT_DELTAS = 2
"""Text deltas of the short answers."""

CASES = {
    case.name: case
    for case in (
        Case("body8k-c1", "8 KB body, short answer, c=1", 8192, SHORT_DELTAS, False, 1),
        Case("body8k-c32", "8 KB body, short answer, c=32", 8192, SHORT_DELTAS, False, 32),
        Case("body256k-c1", "256 KB body, short answer, c=1", 262_144, SHORT_DELTAS, False, 1, 20),
        Case(
            "body256k-c32", "256 KB body, short answer, c=32", 262_144, SHORT_DELTAS, False, 32, 20
        ),
        Case("sse200-c1", "8 KB body, SSE of 200 events, c=1", 8192, 192, True, 1),
        Case("sse200-c32", "8 KB body, SSE of 200 events, c=32", 8192, 192, True, 32),
    )
}
MEMORY = "memory"
"""Name of the case that counts memory and not time."""
_MEMORY_CASE = CASES["body8k-c32"]
_MEMORY_BLOCKS = 10
_MEMORY_CONVERSATION = 10
"""Requests of one conversation in the memory case: a thousand conversations in 10,000 requests."""
_ENDLESS = 1_000_000
"""Requests of a conversation that only says the same again."""
_FOREVER = 1e9
_LOG_LINE = re.compile(r"\[\d\d:\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Attributes:
        seconds: length of a turn.
        requests: most requests of a turn; 0: no limit but the time.
        warm_up: requests of each connection before the first round of a case.
        leg: ``http1`` or ``h2``: what the upstream leg of the proxies is.
        pin: the proxies on one core and everything else on the others.
    """

    cases: tuple[Case, ...]
    targets: tuple[Target, ...]
    rounds: int
    seconds: float
    requests: int
    memory_requests: int
    warm_up: int
    model: str
    leg: str
    pin: bool


@dataclass(slots=True)
class _Proxy:
    child: Child
    port: int

    def wait(self, target: Target) -> None:
        """Until it takes requests. floway listens some time before it serves."""
        if target.proxy == "floway":
            self.child.wait_until(lambda: healthy(self.port), "GET /healthz answered 200")
        else:
            self.child.wait_until(lambda: listens(self.port), f"listening on port {self.port}")


class Runner:
    """One run. Use as a context manager: it owns the processes.

    Args:
        say: told what is happening, a line at a time.
    """

    def __init__(self, plan: Plan, workshop: Workshop, say: Callable[[str], None]) -> None:
        self.plan = plan
        self._workshop = workshop
        self._say = say
        self._stack = contextlib.ExitStack()
        self._others: set[int] | None = None
        self._proxy_core: set[int] | None = None
        if plan.pin:
            self._others, self._proxy_core = _split_cores()

    def __enter__(self) -> Runner:
        with contextlib.ExitStack() as stack:
            self._load = stack.enter_context(
                Worker("replay.bench.load", self._log("load"), cores=self._others)
            )
            self._upstream = stack.enter_context(
                Worker(
                    "replay.bench.upstream",
                    self._log("upstream"),
                    [
                        *("--marker", FAILOVER_MARKER),
                        *("--model", self.plan.model),
                        *("--certificate", str(self._workshop.certificate)),
                    ],
                    cores=self._others,
                )
            )
            self._ports: dict[str, int] = self._upstream.answer()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def proxies(
        self, targets: Sequence[Target], runner: Callable[[Target], Sequence[str]] | None = None
    ) -> Iterator[dict[str, _Proxy]]:
        """The targets' processes, listening. ``runner``: what to run in place of mitmdump."""
        secure = self.plan.leg == "h2"
        upstream = (
            f"https://127.0.0.1:{self._ports['tls']}"
            if secure
            else f"http://127.0.0.1:{self._ports['http1']}"
        )
        with contextlib.ExitStack() as stack:
            started: dict[str, _Proxy] = {}
            for target in targets:
                if target.proxy == "none":
                    continue
                port = free_port()
                words = runner(target) if runner else ()
                launch = self._workshop.launch(target, port, upstream, words)
                child = Child(
                    target.name,
                    launch.command,
                    self._log(target.name),
                    environment=neutral_environment(**launch.environment),
                    cores=self._proxy_core,
                )
                started[target.name] = _Proxy(stack.enter_context(child), port)
            for target in targets:
                if (proxy := started.get(target.name)) is not None:
                    proxy.wait(target)
            yield started

    def matrix(self) -> Results:
        """All cases with all targets, target after target in every round."""
        plan = self.plan
        results = Results()
        if not plan.cases:
            return results
        with self.proxies(plan.targets) as proxies:
            for case in plan.cases:
                self._say(case.title)
                results.series[case.name] = self._rounds(case, proxies)
            for name, proxy in proxies.items():
                proxy.child.check()
                results.resident[name] = resident_bytes(proxy.child.process.pid)
        for name, proxy in proxies.items():
            results.warnings[name] = log_lines(proxy.child.log())
        results.faults += failover_faults(plan.targets, results)
        return results

    def _rounds(self, case: Case, proxies: dict[str, _Proxy]) -> dict[str, Series]:
        plan = self.plan
        row = {target.name: Series() for target in plan.targets}
        working: list[Target] = []
        for target in plan.targets:
            warm = self.turn(case, target, proxies, plan.seconds, plan.warm_up * case.concurrency)
            if warm.answered:
                working.append(target)
            else:
                row[target.name].turns.append(warm)
        for number in range(plan.rounds):
            shift = number % len(working) if working else 0
            for target in working[shift:] + working[:shift]:
                turn = self.turn(case, target, proxies, plan.seconds, plan.requests)
                row[target.name].turns.append(turn)
        return row

    def turn(
        self,
        case: Case,
        target: Target,
        proxies: dict[str, _Proxy],
        seconds: float,
        requests: int = 0,
        conversation: int = 0,
    ) -> Turn:
        """One measurement; the upstream is told first what to answer.

        Args:
            conversation: requests of one; 0: as the case says.
        """
        answer = {"deltas": case.deltas, "writes": "each" if case.streamed else "one"}
        proxy = proxies.get(target.name)
        if proxy is not None:
            proxy.child.check()
        pid = proxy.child.process.pid if proxy else None
        order = Order(
            port=proxy.port if proxy else self._ports["http1"],
            path=target.path,
            protocol=target.protocol,
            model=self.plan.model,
            size=case.size,
            deltas=case.deltas,
            concurrency=case.concurrency,
            seconds=seconds,
            requests=requests,
            conversation=conversation or (case.growing if case.growing > 1 else _ENDLESS),
            growing=case.growing,
        )
        self._upstream.order(answer)
        before = processor_seconds(pid) if pid else None
        outcome = self._load.order(asdict(order))
        after = processor_seconds(pid) if pid else None
        counters = self._upstream.order(answer)
        return Turn(
            **outcome,
            processor=after - before if before is not None and after is not None else None,
            **counters,
        )

    def memory(self, results: Results) -> None:
        """Resident memory of fresh proxies over ``plan.memory_requests`` requests."""
        total = self.plan.memory_requests
        block = max(total // _MEMORY_BLOCKS, 1)
        for target in self.plan.targets:
            if target.proxy == "none":
                continue
            self._say(f"memory over {total:,} requests: {target.title}")
            seen = results.memory[target.name] = Memory()
            with self.proxies([target]) as proxies:
                pid = proxies[target.name].child.process.pid
                seen.resident.append(resident_bytes(pid))
                while seen.requests < total and not seen.failed:
                    turn = self.turn(
                        _MEMORY_CASE, target, proxies, _FOREVER, block, _MEMORY_CONVERSATION
                    )
                    seen.requests += turn.answered
                    seen.failed += turn.failed
                    seen.reasons += turn.reasons
                    seen.resident.append(resident_bytes(pid))

    def profiled(self, case: Case, target: Target, mode: str, file: Path) -> Turn:
        """One turn of a fresh proxy under a profiler, which writes ``file``.

        Raises:
            ProcessFailed: no profile was written.
        """
        self._say(f"{mode} profile: {target.title}, {case.title}")
        words = (sys.executable, "-P", "-m", "replay.bench.profiler", mode, str(file))
        with self.proxies([target], lambda _: words) as proxies:
            child = proxies[target.name].child
            warm_up = self.plan.warm_up * case.concurrency
            self.turn(case, target, proxies, self.plan.seconds, warm_up)
            child.process.send_signal(profiler.START)
            turn = self.turn(case, target, proxies, self.plan.seconds, self.plan.requests)
            child.process.send_signal(profiler.WRITE)
            child.wait_until(file.exists, "writing the profile")
        return turn

    def _log(self, name: str) -> Path:
        return self._workshop.folder / f"{name}.log"


def failover_faults(targets: Iterable[Target], results: Results) -> Iterator[str]:
    """Cases that had not one failover in every request, and so did not measure it."""
    for target in targets:
        for name, row in results.series.items():
            refusals = row[target.name].refusals
            if target.failover and row[target.name].answered and not 0.9 <= refusals <= 1.1:
                yield f"{name}, {target.name}: {refusals:.2f} refusals per answer, not one"


def log_lines(text: str) -> list[str]:
    """Lines of mitmproxy's log, without floway's word to the user."""
    return [line for line in text.splitlines() if _LOG_LINE.match(line)]


def _split_cores() -> tuple[set[int], set[int]]:
    """Cores for load and upstream, and the proxies' core.

    Raises:
        ValueError: this machine has no two cores, or cannot pin.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        raise ValueError("--pin needs Linux and two cores")
    return set(cores[:-1]), {cores[-1]}
