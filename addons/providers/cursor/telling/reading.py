"""A request in the neutral form (Responses), read into a history. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.providers.cursor.run.run_outputs import Part, ToolResult
from addons.providers.cursor.telling import images
from addons.providers.cursor.telling.history import (
    Assistant,
    Block,
    Call,
    History,
    Results,
    Step,
    User,
)

_BILLING: Final = re.compile(r"^x-anthropic-billing-header:[^\n]*\n?", re.MULTILINE)
"""A line for the accounts of another upstream, in front of Claude Code's system prompt."""

_SILENT: Final = frozenset({"reasoning", "additional_tools"})
"""Items that are not said: reasoning is of use to the upstream that signed it only."""

_ANSWERING: Final = frozenset({"function_call", "custom_tool_call", "reasoning"})
"""Items of the model, besides its messages."""


def read(body: Json) -> History:
    """The history of a request body in the neutral form (Responses).

    What can't be read is an error in what is new, and left out with a note in what is old: a
    conversation that began elsewhere must be able to go on here.

    Raises:
        BadRequest: names the item and the remedy.
    """
    if body.get("previous_response_id"):
        raise BadRequest(
            "unsupported_value",
            "`previous_response_id`: responses of this model can't be continued by their id; send "
            "the whole conversation in `input`.",
            param="previous_response_id",
        )
    given = body.get("input")
    items = [given] if isinstance(given, str) else given
    if not isinstance(items, list):
        raise BadRequest(
            "missing_required_parameter",
            "`input` is required: a string or an array of input items.",
            param="input",
        )
    reader = _Reader(len(items) - _new(items))
    for index, item in enumerate(items):
        reader.add(item, index)
    system = [text for text in (_instructions(body), *reader.system) if text]
    blocks = reader.finished()
    if not blocks:
        raise BadRequest(
            "invalid_value",
            "`input` says nothing: send at least one user message with text or a picture.",
            param="input",
        )
    return History("\n\n".join(system), blocks, tuple(reader.notes))


def extended(history: History, items: Sequence[Any]) -> tuple[Block, ...]:
    """The blocks of a history and of items (an answer, say) that follow it.

    What can't be read in them is left out: this is to compare, not to send.
    """
    reader = _Reader(len(items), history.blocks)
    for index, item in enumerate(items):
        reader.add(item, index)
    return reader.finished()


def opening(body: Json) -> tuple[str, str]:
    """System prompt and first text of the user, without reading the rest."""
    given = body.get("input")
    reader = _Reader(1 << 62)
    for index, item in enumerate([given] if isinstance(given, str) else given or ()):
        reader.add(item, index)
        if reader.answered:
            break
    first = next((block for block in reader.finished() if isinstance(block, User)), User(()))
    texts = [part for part in first.parts if isinstance(part, str)]
    system = [text for text in (_instructions(body), *reader.system) if text]
    return "\n\n".join(system), "\n\n".join(texts)


def billing_line(body: Json) -> str:
    """The line for another upstream's accounts; "" where there is none.

    Args:
        body: in the neutral form or that of the messages protocol, whose parser drops the line.
    """
    given = body.get("input")
    texts = [_text(body.get("instructions")), _text(body.get("system"))]
    texts += [
        _text(item.get("content"))
        for item in (given[:2] if isinstance(given, list) else ())
        if isinstance(item, dict) and item.get("role") in ("system", "developer")
    ]
    for text in texts:
        found = _BILLING.search(text)
        if found is not None:
            return found[0].strip()
    return ""


def wrapped(text: str) -> str:
    """A system message in the middle of a conversation, where only the user's words have a place.

    The tags are those that Claude Code itself uses for what the user did not say.
    """
    return f"<system-reminder>\n{text}\n</system-reminder>"


class _Reader:
    """Items to blocks. From index ``new`` on, what can't be read is an error."""

    def __init__(self, new: int, blocks: Sequence[Block] = ()) -> None:
        self.system: list[str] = []
        self.notes: list[str] = []
        self.answered = False
        self._new = new
        self._blocks = list(blocks)

    def finished(self) -> tuple[Block, ...]:
        return tuple(self._blocks)

    def add(self, item: Any, index: int) -> None:
        path = f"input[{index}]"
        if isinstance(item, str):
            self._user((item,))
            return
        if not isinstance(item, dict):
            raise BadRequest("invalid_type", f"`{path}` must be an object.", param=path)
        match item.get("type", "message"):
            case "message":
                self._message(item, index, path)
            case "function_call":
                self._call(item, _object(item.get("arguments")))
            case "custom_tool_call":
                self._call(item, _wrapped_input(_text(item.get("input"))))
            case "function_call_output" | "custom_tool_call_output":
                self._result(item, index, path)
            case kind if kind in _SILENT:
                pass
            case kind:
                self._unknown(str(kind), index, path)

    def _message(self, item: Json, index: int, path: str) -> None:
        role, content = item.get("role"), item.get("content")
        if role == "assistant":
            self._said(content)
        elif role in ("system", "developer"):
            text = _unbilled(_text(content))
            if not self._blocks:
                self.system.append(text)
            elif text:
                self._user((wrapped(text),))
        else:
            self._user(self._parts(content, index, f"{path}.content"))

    def _parts(self, content: Any, index: int, path: str) -> tuple[Part, ...]:
        if isinstance(content, str):
            return (content,) if content else ()
        found: list[Part] = []
        for number, part in enumerate(content if isinstance(content, list) else ()):
            read = self._part(part, index, f"{path}[{number}]")
            if read != "":
                found.append(read)
        return tuple(found)

    def _part(self, part: Any, index: int, path: str) -> Part:
        if isinstance(part, str):
            return part
        if not isinstance(part, dict):
            raise BadRequest("invalid_type", f"`{path}` must be an object.", param=path)
        try:
            match part.get("type"):
                case "input_text" | "output_text" | "text" | "summary_text":
                    return _text(part.get("text"))
                case "refusal":
                    return _text(part.get("refusal"))
                case "input_image":
                    return images.image(part.get("image_url"), path)
                case "input_file":
                    return images.file(part, path)
                case kind:
                    raise BadRequest(
                        "unsupported_value",
                        f"`{path}.type` {str(kind)!r:.40} is not supported by this model; send "
                        "texts and pictures.",
                        param=f"{path}.type",
                    )
        except BadRequest as problem:
            if index >= self._new:
                raise
            self._note(f"{path}: left out: {problem.code}.")
            return f"[Something that was here can't be shown to this model: {problem.code}.]"

    def _unknown(self, kind: str, index: int, path: str) -> None:
        if index >= self._new or kind == "item_reference":
            raise BadRequest(
                "unsupported_value",
                f"`{path}.type` {kind!r:.40} is not supported by this model; send messages, "
                "calls and their outputs.",
                param=f"{path}.type",
            )
        self._note(f"{path}: {kind:.40} items mean nothing to this model; left out.")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _user(self, parts: tuple[Part, ...]) -> None:
        if not parts:
            return
        last = self._blocks[-1] if self._blocks else None
        if isinstance(last, User):
            self._blocks[-1] = User(last.parts + parts)
        else:
            self._blocks.append(User(parts))

    def _said(self, content: Any) -> None:
        for part in content if isinstance(content, list) else (content,):
            text = _text([part])
            if text:
                self._step(text)

    def _call(self, item: Json, arguments: str) -> None:
        self._step(Call(_text(item.get("call_id")), _text(item.get("name")), arguments))

    def _step(self, step: Step) -> None:
        self.answered = True
        last = self._blocks[-1] if self._blocks else None
        if isinstance(last, Assistant):
            self._blocks[-1] = Assistant((*last.steps, step))
        else:
            self._blocks.append(Assistant((step,)))

    def _result(self, item: Json, index: int, path: str) -> None:
        self.answered = True
        parts = self._parts(item.get("output"), index, f"{path}.output")
        failed = item.get("is_error") is True or item.get("status") == "incomplete"
        result = ToolResult(_text(item.get("call_id")), parts, failed)
        last = self._blocks[-1] if self._blocks else None
        if isinstance(last, Results):
            self._blocks[-1] = Results((*last.results, result))
        else:
            self._blocks.append(Results((result,)))


def _new(items: Sequence[Any]) -> int:
    """How many items at the end the model has not answered yet."""
    for count, item in enumerate(reversed(items)):
        if isinstance(item, dict) and (
            item.get("role") == "assistant" or item.get("type") in _ANSWERING
        ):
            return count
    return len(items)


def _instructions(body: Json) -> str:
    return _unbilled(_text(body.get("instructions")))


def _unbilled(text: str) -> str:
    return _BILLING.sub("", text).strip("\n") if "x-anthropic-billing" in text else text


def _text(content: Any) -> str:
    """The texts of a content, whatever its form; "" for none."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            text = part.get("text", part.get("refusal"))
            if isinstance(text, str):
                texts.append(text)
    return "\n\n".join(text for text in texts if text)


def _object(arguments: Any) -> str:
    """Arguments as the text of a JSON object: what is none becomes the one member of one."""
    text = arguments if isinstance(arguments, str) else ""
    if not text.strip():
        return "{}"
    try:
        found = json.loads(text, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError):
        return _wrapped_input(text)
    return text if isinstance(found, dict) else _wrapped_input(text)


def _number(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _no_number(word)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number that JSON can carry")


def _wrapped_input(text: str) -> str:
    return json.dumps({"input": text}, ensure_ascii=False)
