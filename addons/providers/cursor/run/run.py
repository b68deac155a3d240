"""One run of the agent, as a machine: messages and times go in, what is to be done comes out.

A run lives through several requests of a client. It begins with the run request; when the model
calls tools it *parks*: the client's response ends, and the client's next request brings the
results, after which the run goes on into that request's response. All the while the server's own
questions are answered: for blobs, for the request context, for built-in tools that are not here.

Whatever comes in whichever order, a run ends with exactly one :class:`.TurnEnded` or
:class:`.Failed`, or because it was cancelled. Pure: no I/O, no clock, no tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import Enum, auto

from google.protobuf.message import DecodeError

from addons.providers.cursor.failures.error_details import private_free
from addons.providers.cursor.failures.errors import (
    BrokenStream,
    ConnectError,
    CursorError,
    Cut,
    FirstFrameTimeout,
    Silence,
    StuckExec,
)
from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentServerMessage,
    InteractionUpdate,
    TextDeltaUpdate,
    TurnEndedUpdate,
)
from addons.providers.cursor.proto.exec_pb2 import ExecClientMessage, ExecServerMessage
from addons.providers.cursor.run import run_execs, run_messages
from addons.providers.cursor.run.run_errors import BlobMissing, EndedInCall, ParkedTooLong
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    Note,
    Output,
    Send,
    Text,
    Thinking,
    ThinkingDone,
    ToolResult,
    TurnEnded,
)
from addons.providers.cursor.run.run_requests import ServerRequests
from addons.providers.cursor.run.run_tools import ToolCalls
from addons.providers.cursor.run.usage_counts import UsageCounts
from addons.providers.cursor.telling.blobs import BlobMap

NEVER = float("inf")


class Phase(Enum):
    """Where a run is."""

    NEW = auto()
    RUNNING = auto()
    PARKED = auto()  # a client works on tool calls
    DRAINING = auto()  # the turn has ended; what comes late is waited for
    OVER = auto()


class RunMachine:
    """See the module.

    Args:
        blobs: what the server may ask for; what it sets is added.
        run_id: unique; ids of tool calls are made from it.
        tools: names of the tools that the client gave.
        request_context: serialized ``RequestContext``, for when the server asks for it.
        close_execs: see :func:`.run_execs.refuse`.
    """

    def __init__(
        self,
        blobs: BlobMap,
        *,
        run_id: str,
        tools: Collection[str] = (),
        request_context: bytes = b"",
        limits: RunLimits | None = None,
        close_execs: bool = False,
    ) -> None:
        self.phase = Phase.NEW
        self._limits = limits or RunLimits()
        self._close_execs = close_execs
        self._requests = ServerRequests(blobs, request_context, close_execs=close_execs)
        self._calls = ToolCalls(run_id, tools)
        self._counts = UsageCounts(0)
        self._checkpoint: bytes | None = None
        self._visible = False  # something is in the response that is under way
        self._settled = False  # a step of the answer was finished, and nothing began after it
        self._notices: list[str] = []
        self._ended: TurnEndedUpdate | None = None
        self._spoken = False  # a first message came
        self._last_message = self._last_progress = 0.0
        self._last_sign = 0.0  # that the model is still writing its answer or its calls
        self._phase_began = 0.0
        self._next_beat = self._next_exec_beat = NEVER

    # --- what is to be seen from outside -----------------------------------------------------

    @property
    def over(self) -> bool:
        """Nothing more comes out, whatever goes in."""
        return self.phase is Phase.OVER

    @property
    def waiting_for(self) -> frozenset[str]:
        """Ids of the tool calls whose results would let a parked run go on."""
        return self._calls.shown_ids if self.phase is Phase.PARKED else frozenset()

    @property
    def wakes_at(self) -> float:
        """When :meth:`tick` has something to do, if nothing else comes before."""
        if self.phase in (Phase.NEW, Phase.OVER):
            return NEVER
        return min(self._next_beat, self._next_exec_beat, self._deadline()[0])

    # --- what goes in ------------------------------------------------------------------------

    def start(self, run_request: bytes, now: float) -> list[Output]:
        """Begin.

        Args:
            run_request: an ``AgentClientMessage`` that holds it; always the first message.
        """
        if self.phase is not Phase.NEW:
            raise ValueError("a run begins once")
        state = AgentClientMessage.FromString(run_request).run_request.conversation_state
        self._counts = UsageCounts(len(run_request) - len(state), state)
        self._enter(Phase.RUNNING, now)
        self._last_message = self._last_progress = now
        self._next_beat = now + self._limits.heartbeat
        return [Send(run_request)]

    def received(self, payload: bytes, now: float) -> list[Output]:
        """A message of the server: an ``AgentServerMessage``."""
        if self.phase in (Phase.NEW, Phase.OVER):
            return []
        try:
            message = AgentServerMessage.FromString(payload)
        except DecodeError:
            return self._fail(BrokenStream("a message can't be read"))
        self._spoken = True
        self._last_message = now
        word = message.WhichOneof("message")
        if word == "interaction_update":
            return self._update(message.interaction_update, now)
        if word is None:  # newer than we are; it is a sign of life
            return []
        self._progress(now)
        match word:
            case "kv_server_message":
                out = self._requests.kv(message.kv_server_message)
                # Where a response is begun anew from a whole state, nobody will see that.
                lost = self._requests.missing and not self._visible
                return self._fail(BlobMissing()) if lost else out
            case "exec_server_message":
                request = message.exec_server_message
                if request.HasField("mcp_args"):
                    return self._call(request, now)
                return self._requests.exec(request)
            case "interaction_query":
                return self._requests.question(message.interaction_query)
            case "conversation_checkpoint_update":
                self._checkpoint = message.conversation_checkpoint_update
                self._counts.checkpoint(self._checkpoint)
                self._settled = True
            case "exec_server_control_message":
                control = message.exec_server_control_message
                if control.HasField("abort") and self._calls.abort(control.abort.id):
                    return [Note("the server gave up a tool call")]
        return []

    def answer(self, results: Sequence[ToolResult], now: float) -> list[Output]:
        """The client's results: the run goes on into the client's new response.

        Calls without a result are answered as such. Nothing happens unless at least one of the
        results is :attr:`waiting_for`.
        """
        if not self.waiting_for.intersection(result.call_id for result in results):
            return []
        answers = self._calls.answer(results)
        out: list[Output] = []
        for message in answers.messages:
            self._counts.result(message.ByteSize())
            out += run_execs.sent(message, close=self._close_execs)
        if answers.missing:
            out.append(Note(f"{answers.missing} tool calls got no result; the model is told so"))
        if answers.unknown:
            out.append(Note(f"{len(answers.unknown)} results are of no open tool call"))
        self._enter(Phase.RUNNING, now)
        self._last_message = self._last_progress = self._last_sign = now
        self._settled = False
        # What the server asked for while the client was away.
        out += self._calls.unshown
        return out

    def tick(self, now: float, *, held: bool = False) -> list[Output]:
        """Time has passed.

        Args:
            held: the server's silence says nothing: it waits for messages that are not sent yet,
                or its own were not read, because the client is slow.
        """
        if self.phase in (Phase.NEW, Phase.OVER):
            return []
        out: list[Output] = []
        if now >= self._next_beat:
            self._next_beat = now + self._limits.heartbeat
            out.append(run_messages.HEARTBEAT)
        if now >= self._next_exec_beat:
            waiting = [run_messages.exec_heartbeat(number) for number in self._calls.exec_ids]
            self._next_exec_beat = now + self._limits.exec_heartbeat if waiting else NEVER
            out += waiting
        if held and self.phase is Phase.RUNNING:
            self._last_message = self._last_progress = now
            return out
        at, action = self._deadline()
        return out + action(now) if now >= at else out

    def cancel(self, now: float, reason: str = "The user cancelled.") -> list[Output]:
        """The client wants no more. The stream may be reset once this is sent."""
        if self.phase in (Phase.NEW, Phase.OVER):
            self.phase = Phase.OVER
            return []
        sayable = self.phase is not Phase.DRAINING
        self._enter(Phase.OVER, now)
        return [run_messages.cancel(reason)] if sayable else []

    def ended(self, error: CursorError | None, now: float) -> list[Output]:
        """The stream is at its end.

        Args:
            error: None: it ended without one. That alone does not make a whole answer.
        """
        match self.phase:
            case Phase.NEW | Phase.OVER:
                self.phase = Phase.OVER
                return []
            case Phase.DRAINING:
                # A reset after the turn's end is the usual way to take the stream down.
                late = error if isinstance(error, ConnectError) else None
                return self._fail(late) if late and not self._visible else self._end(late)
            case _ if error is not None:
                return self._fail(error)
            case Phase.PARKED:
                return self._fail(EndedInCall())
            case _:
                # Some servers leave out the end of the turn (§4.2).
                whole = self._settled and self._visible and not len(self._calls)
                return self._end(None) if whole else self._fail(Cut("before the turn had ended"))

    # --- updates of the answer ---------------------------------------------------------------

    def _update(self, update: InteractionUpdate, now: float) -> list[Output]:
        word = update.WhichOneof("message")
        if word is None or word == "heartbeat":
            return []
        self._progress(now)
        match word:
            case "text_delta":
                return self._text(update.text_delta, now)
            case "thinking_delta":
                text = update.thinking_delta.text
                return [self._shown(Thinking(text), now)] if text else []
            case "thinking_completed":
                return [ThinkingDone()]
            case "token_delta":
                self._counts.delta(update.token_delta.tokens)
            case "tool_call_started" | "partial_tool_call":
                started = word == "tool_call_started"
                shown = update.tool_call_started if started else update.partial_tool_call
                if shown.tool_call.HasField("mcp_tool_call"):
                    self._last_sign = now
                    self._calls.announce(shown.call_id)
            case "tool_call_completed":
                self._calls.settle(update.tool_call_completed.call_id)
            case "step_completed":
                self._settled = True
            case "summary_completed":
                return [Note("the server has summarized the conversation")]
            case "turn_ended":
                return self._turn_ended(update.turn_ended, now)
        return []

    def _text(self, delta: TextDeltaUpdate, now: float) -> list[Output]:
        if delta.text and delta.is_server_notice:
            # Of the service, not of the model: shown only where it is all there is.
            self._notices.append(delta.text)
            return [Note(f"the service says: {private_free(delta.text)}")]
        return [self._shown(Text(delta.text), now)] if delta.text else []

    def _shown(self, output: Text | Thinking, now: float) -> Text | Thinking:
        self._made(len(output.text), now)
        return output

    def _made(self, characters: int, now: float) -> None:
        self._visible = True
        self._settled = False
        self._last_sign = now
        self._counts.text(characters)

    def _turn_ended(self, update: TurnEndedUpdate, now: float) -> list[Output]:
        if self.phase is Phase.PARKED:
            return self._fail(EndedInCall())
        if self.phase is Phase.RUNNING:
            self._ended = update
            self._enter(Phase.DRAINING, now)
        return []

    # --- the client's tools ------------------------------------------------------------------

    def _call(self, request: ExecServerMessage, now: float) -> list[Output]:
        name = self._calls.name_of(request.mcp_args)
        if name is None:
            answer = ExecClientMessage(mcp_result=self._calls.not_found(request.mcp_args))
            refusal = run_execs.answered(request, answer, close=self._close_execs)
            return [*refusal, Note("the model called a tool that was not given")]
        call = self._calls.open(request, name)
        if call is None:
            return []
        self._made(len(call.name) + len(call.arguments), now)
        self._next_exec_beat = min(self._next_exec_beat, now + self._limits.exec_heartbeat)
        # While a client works on others, it is told of this one afterwards.
        return [] if self.phase is Phase.PARKED else [call]

    # --- time --------------------------------------------------------------------------------

    def _deadline(self) -> tuple[float, Callable[[float], list[Output]]]:
        """What happens next if nothing comes, and when."""
        limits = self._limits
        match self.phase:
            case Phase.DRAINING:
                return self._phase_began + limits.drain, lambda _: self._end(None)
            case Phase.PARKED:
                error = ParkedTooLong(limits.parked)
                return self._phase_began + limits.parked, lambda _: self._fail(error)
        if self._calls.unshown:
            announced = self._calls.more_announced
            grace = limits.announced_siblings if announced else limits.siblings
            return self._last_sign + grace, self._park
        if not self._spoken:
            return self._last_message + limits.first_frame, lambda _: self._fail(
                FirstFrameTimeout(limits.first_frame)
            )
        silent = self._last_message + limits.silence
        unserved = self._requests.unserved
        limit = limits.stuck_exec if unserved else limits.progress
        stuck = self._last_progress + limit
        if silent <= stuck:
            return silent, lambda _: self._fail(Silence(limits.silence))
        return stuck, lambda _: self._fail(
            StuckExec(unserved, limit) if unserved else Silence(limit)
        )

    def _progress(self, now: float) -> None:
        self._last_progress = now
        self._requests.unserved = ""

    def _park(self, now: float) -> list[Output]:
        self._calls.show()
        self._visible = False  # what comes from now on is of the next response
        self._enter(Phase.PARKED, now)
        return [AwaitTools(self._counts.so_far(blob_bytes=self._requests.sent))]

    # --- ends --------------------------------------------------------------------------------

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self._phase_began = now

    def _end(self, late_error: CursorError | None) -> list[Output]:
        out: list[Output] = []
        if not self._visible and self._notices:
            out.append(Text("".join(self._notices)))
        self.phase = Phase.OVER
        requests = self._requests
        broken = requests.missing or requests.refused_to_keep or late_error is not None
        usage = self._counts.at_end(self._ended, blob_bytes=requests.sent)
        return [*out, TurnEnded(usage, None if broken else self._checkpoint, late_error)]

    def _fail(self, error: CursorError) -> list[Output]:
        given = self.phase is Phase.RUNNING and self._calls.unshown
        self.phase = Phase.OVER
        if given:
            # The calls are whole: the client can go on with them, on another run.
            usage = self._counts.so_far(blob_bytes=self._requests.sent)
            return [AwaitTools(usage, error)]
        return [Failed(error, self._counts.untold)]
