"""A run of the scripted agent: one turn of a conversation, with tools, blobs and checkpoints.

What it says is what the sandbox's model says (:mod:`replay.sandbox.agent`); this module has it in
the service's order (cursor-protocol.md §4.2): request context, blobs, then rounds of thinking, text
and tool calls, each followed by a checkpoint, at last ``turn_ended``.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.struct_pb2 import Value

from addons.providers.cursor.proto import agent_pb2, exec_pb2, mcp_pb2
from replay.sandbox import agent as model
from replay.sandbox.cursor import history, noise, prompting
from replay.sandbox.cursor import prompt as prompts
from replay.sandbox.cursor.failures import FAILURES, Failure, RunFailed
from replay.sandbox.cursor.link import ExecAnswer, Link
from replay.sandbox.cursor.prompt import Prompt
from replay.sandbox.cursor.state import checkpoint
from replay.sandbox.cursor.trouble import Trouble
from replay.sandbox.events import CallItem, MessageItem, ReasoningItem

type Json = dict[str, Any]

MAX_ROUNDS = 50


@dataclass(slots=True)
class Spent:
    """Token counts of a run, roughly."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def json(self) -> Json:
        return {
            "input_tokens": self.input,
            "cache_read_tokens": self.cached,
            "output_tokens": self.output,
            "reasoning_tokens": self.reasoning,
        }


@dataclass(slots=True)
class AgentRun:
    """One turn, from a checked request to the end.

    Attributes:
        run_id: the client's request id.
        restrictions: which built-in tools there are.
    """

    prompt: Prompt
    account_id: str
    run_id: str
    link: Link
    trouble: Trouble
    restrictions: prompting.Restrictions = field(default_factory=prompting.Restrictions)
    spent: Spent = field(default_factory=Spent)
    _tools: list[mcp_pb2.McpToolDefinition] = field(default_factory=list)
    _steps: list[bytes] = field(default_factory=list)
    _pace: float = 0.0

    async def play(self) -> None:
        """Everything up to ``turn_ended``.

        Raises:
            RunFailed, BrokenOff: it ended otherwise.
        """
        self._tools = await self._context()
        prompts.check_tools(self._tools)
        await prompts.fetch(self.prompt, self.link)
        await self.trouble.at("before_output")
        await self._update(step_started=agent_pb2.StepStartedUpdate(step_id=0))
        if await self._taken_up():
            for _ in range(MAX_ROUNDS):
                if not await self._round():
                    break
        await self._update(step_completed=agent_pb2.StepCompletedUpdate(step_id=0))
        await self._save([])
        self.spent.input = self.spent.input or self.prompt.tokens
        self.spent.cached = min(self.prompt.known_tokens, self.spent.input)
        await self._update(
            turn_ended=agent_pb2.TurnEndedUpdate(
                input_tokens=self.spent.input,
                output_tokens=self.spent.output,
                cache_read_tokens=self.spent.cached,
                cache_write_tokens=0,
                reasoning_tokens=self.spent.reasoning,
            )
        )
        await self.link.flush()
        await self.trouble.at("after_turn")

    async def _context(self) -> list[mcp_pb2.McpToolDefinition]:
        """The tools: of the request, or of the context that the client is asked for."""
        request = exec_pb2.ExecServerMessage(
            request_context_args=exec_pb2.RequestContextArgs(), exec_id=str(uuid.uuid4())
        )
        answer = await self._asked(request)
        given = list(self.prompt.request.mcp_tools.mcp_tools)
        if isinstance(answer, exec_pb2.ExecClientThrow) or given:
            return given
        return list(answer.request_context_result.success.request_context.tools)

    async def _taken_up(self) -> bool:
        """Go on where a run was broken off; whether there is anything left to say.

        The official client resumes with the newest checkpoint of the broken run: calls that wait in
        it are made again, and an answer that was complete is not given twice.
        """
        if self.prompt.said is not None:
            return True
        messages = self.prompt.messages
        waiting = history.unanswered(messages)
        calls = [
            CallItem(call["name"], call["arguments"], call_id=call["call_id"]) for call in waiting
        ]
        made = [self._call(call, call.call_id) for call in calls if self._offers(call.name)]
        if made:
            await self._use_tools(made)
        return bool(waiting) or messages[-1]["role"] != "assistant"

    # --- rounds ---

    async def _round(self) -> bool:
        """One answer of the model; whether it called tools and is to go on."""
        items = history.current(history.items(self.prompt.messages))
        body: Json = {
            "model": self.prompt.model.id,
            "input": items,
            "tools": history.offered(self._tools),
            "reasoning": {"effort": self.prompt.effort},
        }
        answer = model.answer(body, account_id=self.account_id)
        self._pace = answer.pace
        if answer.input_tokens is not None:
            self.spent.input = answer.input_tokens
        texts = await self._extras(items)
        await self._say(texts)
        calls: list[CallItem] = []
        for item in answer.items:
            match item:
                case ReasoningItem():
                    await self._think(item, answer.reasoning_tokens)
                case MessageItem():
                    texts.append(item.text)
                    await self._say(item.deltas)
                case CallItem():
                    calls.append(item)
        made = [self._call(call) for call in calls]
        if texts:
            step = agent_pb2.AssistantMessage(text="".join(texts))
            self._add_step(agent_pb2.ConversationStep(assistant_message=step))
        self.prompt.add(history.assistant_message(["".join(texts)], made))
        if made:
            await self._use_tools(made)
        return bool(made)

    async def _extras(self, items: Sequence[Json]) -> list[str]:
        """What the prompt asks for besides; sentences about it, for the answer."""
        said, after = model.last_prompt(items)
        if after:
            return []
        found: list[str] = []
        for asked in prompting.asked(said):
            if asked.kind == "query":
                waiting = await self.link.query(prompting.query_request(asked.member))
                await self.link.flush()
                outcome = prompting.query_outcome(asked.member, await waiting)
            elif asked.anyway or self.restrictions.permit(asked.member):
                request = prompting.exec_request(asked.member, str(uuid.uuid4()))
                outcome = prompting.exec_outcome(asked.member, await self._asked(request))
            else:
                outcome = f"{asked.member} is not among my tools."
            found.append(f"{outcome}\n")
        message = self.prompt.said or agent_pb2.UserMessage()
        if noise.DIRECTIVE in said:
            for payload in noise.payloads(message):
                await self.link.send_raw(payload)
        for image in message.selected_context.selected_images:
            size = len(image.data) if image.WhichOneof("data_or_blob_id") == "data" else 0
            found.append(f"I see an image: {image.mime_type}, {size} bytes.\n")
        return found

    async def _think(self, item: ReasoningItem, tokens: int) -> None:
        self.spent.reasoning += tokens
        self.spent.output += tokens
        text = ""
        for delta in (delta for part in item.parts for delta in part):
            text += delta
            await self._output(thinking_delta=agent_pb2.ThinkingDeltaUpdate(text=delta))
        if not text:
            return
        duration = agent_pb2.ThinkingCompletedUpdate(thinking_duration_ms=len(text))
        await self._update(thinking_completed=duration)
        step = agent_pb2.ThinkingMessage(text=text, duration_ms=len(text))
        self._add_step(agent_pb2.ConversationStep(thinking_message=step))

    async def _say(self, deltas: Sequence[str]) -> None:
        if not deltas:
            return
        for delta in deltas:
            await self._output(text_delta=agent_pb2.TextDeltaUpdate(text=delta))
        await self._update(token_delta=agent_pb2.TokenDeltaUpdate(tokens=len(deltas)))
        self.spent.output += len(deltas)

    # --- tools ---

    def _offers(self, name: str) -> bool:
        return any(name in (tool.tool_name, tool.name) for tool in self._tools)

    def _call(self, item: CallItem, call_id: str = "") -> mcp_pb2.McpArgs:
        tool = next(tool for tool in self._tools if item.name in (tool.tool_name, tool.name))
        try:
            arguments = json.loads(item.argument_text)
        except ValueError:
            arguments = item.argument_text
        if not isinstance(arguments, dict):
            arguments = {"input": arguments}
        try:
            values = {name: ParseDict(value, Value()) for name, value in arguments.items()}
        except ParseError as error:
            raise RunFailed(FAILURES["bare_internal"]) from error
        return mcp_pb2.McpArgs(
            name=tool.name,
            args=values,
            tool_call_id=call_id or f"toolu_{uuid.uuid4().hex[:24]}",
            provider_identifier=tool.provider_identifier,
            tool_name=tool.tool_name,
        )

    async def _use_tools(self, calls: Sequence[mcp_pb2.McpArgs]) -> None:
        """Have them called, all at once; the answers are parts of the conversation."""
        waiting: list[asyncio.Future[ExecAnswer]] = []
        for call in calls:
            shown = agent_pb2.ToolCall(
                mcp_tool_call=mcp_pb2.McpToolCall(args=call), tool_call_id=call.tool_call_id
            )
            partial = agent_pb2.PartialToolCallUpdate(
                call_id=call.tool_call_id,
                tool_call=shown,
                args_text_delta=json.dumps(history.arguments(call)),
            )
            await self._update(partial_tool_call=partial)
            started = agent_pb2.ToolCallStartedUpdate(call_id=call.tool_call_id, tool_call=shown)
            await self._output(tool_call_started=started)
            request = exec_pb2.ExecServerMessage(mcp_args=call, exec_id=str(uuid.uuid4()))
            waiting.append(await self.link.ask(request))
        await self._save([call.tool_call_id for call in calls])
        await self.trouble.at("awaiting_tools")
        for call, future in zip(calls, waiting, strict=True):
            result = _mcp_result(await future)
            self.prompt.add(history.tool_message(call, result))
            shown = agent_pb2.ToolCall(
                mcp_tool_call=mcp_pb2.McpToolCall(args=call, result=_shown(result)),
                tool_call_id=call.tool_call_id,
            )
            self._add_step(agent_pb2.ConversationStep(tool_call=shown))
            completed = agent_pb2.ToolCallCompletedUpdate(
                call_id=call.tool_call_id, tool_call=shown
            )
            await self._update(tool_call_completed=completed)
        await self.trouble.at("after_tools")

    # --- the state ---

    def _add_step(self, step: agent_pb2.ConversationStep) -> None:
        self._steps.append(self.prompt.keep(step.SerializeToString(deterministic=True)))

    async def _save(self, pending: Sequence[str]) -> None:
        """Have the client keep what is new, then give it the checkpoint."""
        prompt = self.prompt
        said = prompt.said or agent_pb2.UserMessage(
            text=model.last_prompt(history.items(prompt.messages))[0], message_id=self.run_id
        )
        turn = agent_pb2.AgentConversationTurnStructure(
            user_message=prompt.keep(said.SerializeToString(deterministic=True)),
            steps=self._steps,
            request_id=self.run_id,
        )
        whole = agent_pb2.ConversationTurnStructure(agent_conversation_turn=turn)
        turns = [*prompt.turns, prompt.keep(whole.SerializeToString(deterministic=True))]
        unsaved, prompt.unsaved = prompt.unsaved, {}
        waiting = [
            await self.link.ask_blob(
                agent_pb2.KvServerMessage(
                    set_blob_args=agent_pb2.SetBlobArgs(blob_id=identity, blob_data=data)
                )
            )
            for identity, data in unsaved.items()
        ]
        await self.link.flush()
        for future in waiting:
            result = (await future).set_blob_result
            if result.HasField("error"):
                raise RunFailed(Failure("internal", f"set_blob failed: {result.error.message}"))
        structure = agent_pb2.ConversationStateStructure()
        structure.CopyFrom(prompt.state.structure)
        structure.DiscardUnknownFields()
        del structure.root_prompt_messages_json[:], structure.turns[:]
        del structure.pending_tool_calls[:]
        structure.root_prompt_messages_json.extend(prompt.roots)
        structure.turns.extend(turns)
        structure.pending_tool_calls.extend(pending)
        structure.token_details.used_tokens = prompt.tokens
        structure.token_details.max_tokens = prompt.max_tokens
        raw = checkpoint(structure, self.account_id, prompt.conversation)
        await self.link.send(agent_pb2.AgentServerMessage(conversation_checkpoint_update=raw))
        await self.link.flush()

    # --- sending ---

    async def _asked(self, request: exec_pb2.ExecServerMessage) -> ExecAnswer:
        waiting = await self.link.ask(request)
        await self.link.flush()
        return await waiting

    async def _output(self, **member: Any) -> None:
        """A piece of output: what faults count."""
        await self._update(**member)
        if self._pace:
            await self.link.flush()
            await asyncio.sleep(self._pace)
        await self.trouble.output()

    async def _update(self, **member: Any) -> None:
        await self.link.update(agent_pb2.InteractionUpdate(**member))


def _mcp_result(answer: ExecAnswer) -> mcp_pb2.McpResult:
    if isinstance(answer, exec_pb2.ExecClientThrow):
        return mcp_pb2.McpResult(error=mcp_pb2.McpError(error=answer.error))
    return answer.mcp_result


def _shown(result: mcp_pb2.McpResult) -> mcp_pb2.McpToolResult:
    """The result as a step shows it."""
    if result.WhichOneof("result") == "success":
        return mcp_pb2.McpToolResult(success=result.success)
    return mcp_pb2.McpToolResult(error=mcp_pb2.McpToolError(error=history.outcome(result)))
