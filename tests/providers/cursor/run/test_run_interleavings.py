"""Runs of several principals, with everything happening in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from addons.providers.cursor.failures.errors import ConnectError, CursorError, Goaway, StreamReset
from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentServerMessage,
    InteractionQuery,
)
from addons.providers.cursor.proto.exec_pb2 import ExecServerMessage
from addons.providers.cursor.run.parking import Parking, RunOwner
from addons.providers.cursor.run.run import NEVER, Phase, RunMachine
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    Note,
    Output,
    Send,
    Text,
    ToolCall,
    ToolResult,
    TurnEnded,
)
from addons.providers.cursor.telling.blobs import BlobMap
from tests.providers.cursor import server_messages as server

LIMITS = RunLimits()
TOOLS = ("read", "write")
BUILT_IN = [
    each.name
    for each in ExecServerMessage.DESCRIPTOR.oneofs_by_name["message"].fields
    if each.name != "mcp_args"
]
QUESTIONS = [each.name for each in InteractionQuery.DESCRIPTOR.oneofs_by_name["query"].fields]
KNOWN = BlobMap().put(b"known")

principals = st.sampled_from("pqr")
errors: st.SearchStrategy[CursorError | None] = st.sampled_from(
    [None, ConnectError("resource_exhausted", "Error"), StreamReset(8), Goaway(0)]
)


@dataclass(eq=False)
class Run:
    """A machine with what a server and a client know of it."""

    owner: RunOwner
    machine: RunMachine
    outputs: list[Output] = field(default_factory=list)
    asked: Counter[tuple[str, int]] = field(default_factory=Counter)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    calls: set[int] = field(default_factory=set)
    ever: set[int] = field(default_factory=set)
    aborted_unseen: int = 0
    done: frozenset[str] = frozenset()
    said: str = ""
    next_id: int = 1
    cancelled: bool = False
    responding: bool = True

    @property
    def waiting_for(self) -> frozenset[str]:
        return self.machine.waiting_for

    def abandon(self, reason: str) -> None:
        self.cancelled = self.cancelled or not self.machine.over
        self.take(self.machine.cancel(0.0))

    def take(self, outputs: list[Output]) -> None:
        self.outputs += outputs
        for output in outputs:
            if isinstance(output, Send):
                self.hear(AgentClientMessage.FromString(output.payload))

    def hear(self, message: AgentClientMessage) -> None:
        match message.WhichOneof("message"):
            case "exec_client_message":
                self.answered["exec", message.exec_client_message.id] += 1
            case "exec_client_control_message":
                control = message.exec_client_control_message
                if control.HasField("throw"):
                    self.answered["exec", control.throw.id] += 1
            case "kv_client_message":
                self.answered["kv", message.kv_client_message.id] += 1
            case "interaction_response":
                self.answered["query", message.interaction_response.id] += 1

    def number(self, channel: str) -> int:
        self.next_id += 1
        self.asked[channel, self.next_id] += 1
        return self.next_id


class Runs(RuleBasedStateMachine):
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.parking: Parking[Run] = Parking(limit=40, each=30)
        self.all: list[Run] = []

    # --- clients ---

    @initialize(target=runs)
    def begin_one(self) -> Run:
        return self.begin("p")

    @rule(target=runs, principal=principals)
    def begin_another(self, principal: str) -> Run:
        return self.begin(principal)

    def begin(self, principal: str) -> Run:
        machine = RunMachine(
            BlobMap({KNOWN: b"known"}), run_id=f"run-{len(self.all)}", tools=TOOLS, limits=LIMITS
        )
        run = Run(RunOwner(principal, "c", "a"), machine)
        run.take(machine.start(server.RUN_REQUEST, self.now))
        self.all.append(run)
        return run

    @precondition(lambda self: any(run.waiting_for for run in self.all))
    @rule(
        which=st.integers(0, 5),
        foreign=st.sampled_from(["", "", "", "q", "r"]),
        keep=st.integers(1, 3),
        strangers=st.lists(st.just("call_of_nobody"), max_size=1),
    )
    def come_with_results(self, which: int, foreign: str, keep: int, strangers: list[str]) -> None:
        """Perhaps with ids that another principal was given."""
        parked = [run for run in self.all if run.waiting_for]
        run = parked[which % len(parked)]
        principal = foreign or run.owner.principal
        waited_for = run.waiting_for
        ids = [*strangers, *sorted(waited_for)[:keep]]
        found = self.parking.claim(principal, ids)
        assert found is (run if principal == run.owner.principal else None)
        if found is None:
            return
        out = run.machine.answer([ToolResult(each, ("r",)) for each in ids], self.now)
        run.take(out)
        run.responding = True
        run.done |= waited_for
        assert not strangers or any(isinstance(output, Note) for output in out)

    @rule(run=runs)
    def leave(self, run: Run) -> None:
        if run.responding and len(run.outputs) > 6:
            run.abandon("the client left")

    # --- servers ---

    def receive(self, run: Run, payload: bytes) -> None:
        run.take(run.machine.received(payload, self.now))
        if run.machine.waiting_for and run.responding:
            run.responding = False
            self.parking.park(run)

    @rule(run=runs, text=st.text(max_size=3))
    def say(self, run: Run, text: str) -> None:
        if not run.machine.over:
            run.said += text
        self.receive(run, server.text(text))

    @rule(
        run=runs,
        payload=st.sampled_from(
            [
                server.thinking("t"),
                server.thinking_done(),
                server.tokens(2),
                server.heartbeat(),
                server.step_completed(),
                server.checkpoint(server.state(9)),
                server.announced("t9"),
                server.text("n", notice=True),
                b"",
            ]
        ),
    )
    def report(self, run: Run, payload: bytes) -> None:
        self.receive(run, payload)

    @rule(run=runs)
    def end_the_turn(self, run: Run) -> None:
        if len(run.outputs) > 6:
            self.receive(run, server.turn_ended(input_tokens=5, output_tokens=5))
            assert run.machine.phase in (Phase.DRAINING, Phase.OVER)

    @rule(run=runs, garbage=st.binary(max_size=6))
    def talk_nonsense(self, run: Run, garbage: bytes) -> None:
        if len(run.outputs) > 6:
            self.receive(run, b"\xff" + garbage)  # never begins a message that means something

    @rule(run=runs, kind=st.sampled_from(BUILT_IN))
    def ask_for_a_built_in_tool(self, run: Run, kind: str) -> None:
        alive = not run.machine.over
        request = ExecServerMessage(id=run.number("exec") if alive else 0)
        getattr(request, kind).SetInParent()
        self.receive(run, server.execute(request))

    @rule(run=runs, kind=st.sampled_from(QUESTIONS))
    def question(self, run: Run, kind: str) -> None:
        alive = not run.machine.over
        query = InteractionQuery(id=run.number("query") if alive else 0)
        getattr(query, kind).SetInParent()
        self.receive(run, AgentServerMessage(interaction_query=query).SerializeToString())

    @rule(run=runs, blob=st.sampled_from([KNOWN, KNOWN, b"?" * 32]), keep=st.booleans())
    def ask_for_a_blob(self, run: Run, blob: bytes, keep: bool) -> None:
        number = run.number("kv") if not run.machine.over else 0
        self.receive(
            run, server.set_blob(number, blob, b"x") if keep else server.get_blob(number, blob)
        )

    @rule(
        run=runs, name=st.sampled_from([*TOOLS, "unknown"]), server_id=st.sampled_from(["t9", ""])
    )
    def call(self, run: Run, name: str, server_id: str) -> None:
        alive = not run.machine.over
        number = run.number("exec") if alive else 0
        if alive and name in TOOLS:
            run.calls.add(number)
            run.ever.add(number)
        self.receive(run, server.call(number, name, call_id=server_id))

    @rule(run=runs, which=st.integers(1, 12))
    def abort(self, run: Run, which: int) -> None:
        parked = run.machine.phase is Phase.PARKED
        self.receive(run, server.abort(which))
        if which in run.calls:
            run.aborted_unseen += parked
            run.calls.discard(which)
            run.asked["exec", which] = run.answered["exec", which]

    @rule(run=runs, error=errors)
    def end(self, run: Run, error: CursorError | None) -> None:
        if len(run.outputs) > 6:
            run.take(run.machine.ended(error, self.now))
            assert run.machine.over

    # --- time ---

    @rule(run=runs, count=st.integers(1, 3), late=st.sampled_from(["", "", "call", "end"]))
    def call_and_wait(self, run: Run, count: int, late: str) -> None:
        """The usual case: calls, and mostly nothing more until they are answered."""
        for _ in range(count):
            self.call(run, "read", "")
        self.wait(0.1)
        if late == "call":
            self.call(run, "write", "")
        elif late == "end":
            self.end_the_turn(run)

    @rule(seconds=st.sampled_from([0.01, 0.1, 2.0, 2.0, 6.0, 31.0, 301.0]))
    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        for run in self.all:
            while (at := run.machine.wakes_at) <= until:
                run.take(run.machine.tick(max(at, self.now)))
                assert run.machine.wakes_at > at, "a tick must make progress"
            if run.machine.waiting_for and run.responding:
                run.responding = False
                self.parking.park(run)
        self.now = until

    # --- what is always true ---

    @invariant()
    def every_request_is_answered_once(self) -> None:
        for run in self.all:
            missing = run.asked - run.answered
            open_calls = {number for channel, number in missing if channel == "exec"}
            if run.machine.over:
                assert not run.answered - run.asked
                continue
            assert run.asked - run.answered == Counter({("exec", n): 1 for n in open_calls})
            assert open_calls <= run.calls
            assert not run.answered - run.asked

    @invariant()
    def there_is_one_end_and_nothing_after_it(self) -> None:
        for run in self.all:
            ends = [
                o
                for o in run.outputs
                if isinstance(o, TurnEnded | Failed)
                or (isinstance(o, AwaitTools) and o.late_error is not None)
            ]
            if run.machine.over:
                assert len(ends) == (0 if run.cancelled else 1)
                assert run.cancelled or run.outputs[-1] is ends[0]
                assert run.machine.wakes_at == NEVER
            else:
                assert not ends
                assert run.machine.wakes_at < NEVER

    @invariant()
    def all_that_was_said_comes_out(self) -> None:
        for run in self.all:
            heard = "".join(o.text for o in run.outputs if isinstance(o, Text))
            assert heard.replace("n", "") == run.said.replace("n", "")

    @invariant()
    def a_client_is_asked_for_nothing_twice(self) -> None:
        ids = [o.call_id for run in self.all for o in run.outputs if isinstance(o, ToolCall)]
        assert len(ids) == len(set(ids))
        for run in self.all:
            given = {o.call_id for o in run.outputs if isinstance(o, ToolCall)}
            assert run.waiting_for <= given - run.done
            if run.machine.phase is Phase.RUNNING:
                assert len(given) + run.aborted_unseen >= len(run.ever)
            if run.waiting_for:
                assert any(isinstance(o, AwaitTools) for o in run.outputs)

    def teardown(self) -> None:
        """However it stands, it ends by itself."""
        for _ in range(3):
            self.wait(LIMITS.parked + LIMITS.progress)
        assert all(run.machine.over for run in self.all)
        self.there_is_one_end_and_nothing_after_it()


Runs.TestCase.settings = settings(max_examples=25, stateful_step_count=30)
TestRuns = Runs.TestCase
