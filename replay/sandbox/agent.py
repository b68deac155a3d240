"""The scripted model: what the sandbox answers to a request. Pure and deterministic.

The last user message rules: its directives (:mod:`replay.sandbox.directives`), or else an answer
that repeats what was said. Calls that a prompt asks for are made one round after the other; the
answer after the last one quotes every tool output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from replay.sandbox.directives import RUN, Directives, WantedCall, parse_directives
from replay.sandbox.events import (
    CallItem,
    Item,
    MessageItem,
    OpaqueItem,
    ReasoningItem,
    new_id,
    split_words,
)
from replay.sandbox.schema_sample import sample
from replay.sandbox.tokens import BadToken, seal, unseal
from replay.sandbox.tools import Tool, code_tool, find_tool, offered_tools, shell_call

type Json = dict[str, Any]

CALL_TYPES = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
OUTPUT_TYPES = frozenset(
    {"function_call_output", "custom_tool_call_output", "local_shell_call_output"}
)
ECHO_LIMIT = 2000
"""Characters of a prompt or a tool output that an answer repeats."""
_WORDS = ("all", "systems", "work", "as", "they", "should", "in", "this", "sandbox", "today")
_EFFORT_TOKENS = {"none": 0, "minimal": 16, "low": 64, "medium": 256, "high": 1024}


@dataclass(slots=True)
class Answer:
    """What the model says.

    Attributes:
        items: output items in order.
        reasoning_tokens: to be reported.
        input_tokens: to be reported instead of the true count; None reports the true one.
        once: ``input_tokens`` only the first time that this number is ordered.
        pace: seconds between events.
    """

    items: list[Item] = field(default_factory=list)
    reasoning_tokens: int = 0
    input_tokens: int | None = None
    once: bool = False
    pace: float = 0.0


class BadSchema(ValueError):
    """No value satisfies the JSON schema of ``text.format``."""


def answer(body: Mapping[str, Any], *, account_id: str) -> Answer:
    """The answer to a Responses request whose input is complete.

    Args:
        body: the request; ``input`` holds the whole conversation.
        account_id: whose key closes ``encrypted_content``.

    Raises:
        BadSchema: the schema of ``text.format`` cannot be satisfied.
    """
    items = input_items(body)
    if items and items[-1].get("type") == "compaction_trigger":
        return Answer([compaction_item(items, account_id)])
    prompt, after = last_prompt(items)
    directives = parse_directives(prompt)
    result = Answer(input_tokens=directives.tokens, once=directives.once, pace=directives.pace)
    result.items += _reasoning(body, directives, account_id, result)
    tools = offered_tools(body)
    outputs = [item for item in after if item.get("type") in OUTPUT_TYPES]
    wanted = _next_round(directives, after) if tools else []
    calls = [_call(tools, call) for call in wanted]
    missing = [call.name for call, item in zip(wanted, calls, strict=True) if item is None]
    schema = _schema(body)
    if missing:
        offered = ", ".join(tool.name for tool in tools[:50])
        names = ", ".join(missing)
        result.items.append(_message(f"No tool named {names} is offered. Offered are: {offered}."))
    elif calls:
        result.items += [item for item in calls if item is not None]
    elif schema is not None:
        result.items.append(_structured(schema, prompt))
    elif directives.text is not None:
        result.items.append(_message(directives.text))
    elif directives.recall:
        result.items.append(_message(_recalled(directives, items)))
    elif directives.words is not None:
        result.items.append(MessageItem(words(directives.words)))
    elif outputs:
        result.items.append(_message(_quote(outputs, after)))
    else:
        result.items.append(_message(_echo(body, items, tools, directives, account_id)))
    return result


def compaction_item(items: Sequence[Mapping[str, Any]], account_id: str) -> OpaqueItem:
    """The one item that a compaction gives; it says how much it stands for."""
    value = {"items": len(items), "last": last_prompt(items)[0][:ECHO_LIMIT]}
    content = seal(account_id, "compaction", value)
    return OpaqueItem({"id": new_id("cmp"), "type": "compaction", "encrypted_content": content})


def input_items(body: Mapping[str, Any]) -> list[Json]:
    """``input`` as a list of items; a text is one user message."""
    value = body.get("input")
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def last_prompt(items: Sequence[Mapping[str, Any]]) -> tuple[str, list[Mapping[str, Any]]]:
    """Text of the last user message, and the items behind it."""
    for position in range(len(items) - 1, -1, -1):
        item = items[position]
        if item.get("type", "message") == "message" and item.get("role") == "user":
            return item_text(item.get("content")), list(items[position + 1 :])
    return "", list(items)


def item_text(content: Any) -> str:
    """The text of a message's content or a tool's output: a string, or parts with ``text``."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return "" if content is None else json.dumps(content)


def words(count: int) -> list[str]:
    """So many deltas of one word each."""
    return [
        (_WORDS[number % len(_WORDS)] if number % 20 else f"{number}.") + " "
        for number in range(count)
    ]


def _next_round(directives: Directives, after: Sequence[Mapping[str, Any]]) -> list[WantedCall]:
    made = sum(1 for item in after if item.get("type") in CALL_TYPES)
    for calls in directives.rounds:
        if made < len(calls):
            return calls if made == 0 else []
        made -= len(calls)
    return []


def _call(tools: list[Tool], call: WantedCall) -> Item | None:
    """The item of a call; None when no such tool is offered."""
    if call.name == RUN:
        call = WantedCall(*shell_call(tools, str(call.arguments)))
    tool, arguments = find_tool(tools, call.name), call.arguments
    if tool is None:
        tool = code_tool(tools, call.name)
        if tool is None:
            return None
        arguments = f"text(await tools.{call.name}({json.dumps(arguments)}))"
    if tool.hosted:
        search: Json = {"type": "search", "query": item_text(arguments)}
        body: Json = {"id": new_id("ws"), "type": f"{tool.kind}_call", "status": "completed"}
        return OpaqueItem({**body, "action": search})
    if tool.kind == "local_shell":
        command = arguments.get("command") if isinstance(arguments, dict) else None
        action: Json = {
            "type": "exec",
            "command": command or ["true"],
            "env": {},
            "timeout_ms": None,
        }
        return OpaqueItem(
            {
                "id": new_id("lsh"),
                "type": "local_shell_call",
                "status": "completed",
                "call_id": new_id("call"),
                "action": action,
            }
        )
    if tool.kind == "custom":
        if isinstance(arguments, dict) and set(arguments) == {"input"}:
            arguments = arguments["input"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return CallItem(tool.name, text, custom=True, namespace=tool.namespace)
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, separators=(",", ":"))
    return CallItem(tool.name, text, namespace=tool.namespace)


def _message(text: str) -> MessageItem:
    return MessageItem(split_words(text))


def _quote(outputs: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    names = {
        item.get("call_id"): str(item.get("name") or item.get("type"))
        for item in after
        if item.get("type") in CALL_TYPES
    }
    lines = [
        f"{names.get(item.get('call_id'), 'tool')} gave: "
        f"{item_text(item.get('output'))[:ECHO_LIMIT]}"
        for item in outputs
    ]
    return "\n".join(["The tools have answered.", *lines])


def _recalled(directives: Directives, items: Sequence[Mapping[str, Any]]) -> str:
    """What the user has said in this conversation, as far as the request tells it."""
    known: dict[str, str] = {}
    for item in items:
        if item.get("type", "message") == "message" and item.get("role") == "user":
            known |= parse_directives(item_text(item.get("content"))).remember
    return " ".join(
        f"{key} is {known[key]}." if key in known else f"I do not know {key}."
        for key in directives.recall
    )


def _echo(
    body: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    tools: Sequence[Tool],
    directives: Directives,
    account_id: str,
) -> str:
    said = directives.rest[:ECHO_LIMIT] or "nothing"
    text = f"You said: {said}"
    for item in items:
        if item.get("type") in ("compaction", "compaction_summary"):
            try:
                summary = unseal(account_id, str(item.get("encrypted_content")))
            except BadToken:
                continue  # refused before the model is asked; a stored answer has none of it
            text += f" (after a compaction of {summary.get('items')} items)"
    counts = f"{len(items)} input items, {len(tools)} tools"
    return f"{text}\n\nThis is the floway sandbox, model {body.get('model')}: {counts}."


def _reasoning(
    body: Mapping[str, Any], directives: Directives, account_id: str, result: Answer
) -> list[Item]:
    reasoning = body.get("reasoning")
    settings = reasoning if isinstance(reasoning, dict) else {}
    effort, summary = settings.get("effort"), settings.get("summary")
    asked = directives.think is not None or summary not in (None, "none")
    if not asked and effort in (None, "none", "minimal", "low"):
        return []
    result.reasoning_tokens = _EFFORT_TOKENS.get(str(effort), 2048 if effort else 256)
    count = 12 if directives.think is None else directives.think
    parts: list[list[str]] = []
    if asked:
        parts.append(["**Thinking**\n\n", *words(count)])
    include = body.get("include")
    sealed = None
    if isinstance(include, list) and "reasoning.encrypted_content" in include:
        sealed = seal(account_id, "reasoning", {"effort": effort, "words": count})
    return [ReasoningItem(parts, sealed)]


def _schema(body: Mapping[str, Any]) -> Any:
    """Schema of a structured answer; None where free text is asked for."""
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if not isinstance(form, dict):
        return None
    if form.get("type") == "json_schema":
        return form.get("schema", True)
    if form.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return None


def _structured(schema: Any, prompt: str) -> MessageItem:
    said = parse_directives(prompt).rest[:200] or "sandbox"
    try:
        value = sample(schema, text=said)
    except ValueError as error:
        raise BadSchema(str(error)) from error
    return _message(json.dumps(value, ensure_ascii=False))
