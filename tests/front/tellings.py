"""Responses, and the ways in which an upstream may tell them; for property tests of renderers.

The same response is told as deltas cut anywhere, as done events only, as finished items only, or
in the terminal event alone; with and without output indexes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

type Event = dict[str, Any]

TEXT = st.text(alphabet='abc \n"\\é🙂\u2028\ud83d', max_size=10)
SOME = TEXT.filter(bool)
LONG_TEXT = "0123456789"
LONG = st.just(LONG_TEXT)

CITATION = st.builds(
    lambda start, url: {
        "type": "url_citation",
        "start_index": start,
        "end_index": start + 1,
        "title": "t",
        "url": url,
    },
    st.integers(0, 3),
    st.sampled_from(["https://example.org/", "https://example.net/"]),
)
MESSAGE = st.builds(
    lambda texts, refusal: {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [
            *({"type": "output_text", "text": text, "annotations": cited} for text, cited in texts),
            *({"type": "refusal", "refusal": text} for text in refusal),
        ],
    },
    st.lists(st.tuples(TEXT, st.just([])) | st.tuples(LONG, st.lists(CITATION)), max_size=2),
    st.lists(SOME, max_size=1),
)
REASONING = st.builds(
    lambda summary, content: {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        "content": [{"type": "reasoning_text", "text": text} for text in content],
        "encrypted_content": "opaque",
    },
    st.lists(SOME, max_size=2),
    st.lists(SOME, max_size=1),
)
FUNCTION = st.builds(
    lambda name, arguments: {"type": "function_call", "name": name, "arguments": arguments},
    st.sampled_from("fg"),
    TEXT,
)
CUSTOM = st.builds(
    lambda text: {"type": "custom_tool_call", "name": "c", "input": text},
    TEXT,
)
OTHER = st.just({"type": "web_search_call", "status": "completed", "action": {"type": "search"}})
ITEMS = st.lists(st.one_of(MESSAGE, MESSAGE, REASONING, FUNCTION, CUSTOM, OTHER), max_size=5)

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 64},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 120,
}


@st.composite
def responses(draw: st.DrawFn) -> Event:
    output = []
    for number, item in enumerate(draw(ITEMS)):
        named = {"id": f"item_{number}", **item}
        if "call" in item["type"]:
            named["call_id"] = f"call_{number}"
        output.append(named)
    status = draw(st.sampled_from(["completed", "completed", "incomplete"]))
    reason = draw(st.sampled_from(["max_output_tokens", "content_filter"]))
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": "m-2",
        "status": status,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "output": output,
        "usage": USAGE,
    }


TEXTS = {
    "output_text": ("content", "output_text", "text", "content_index"),
    "refusal": ("content", "refusal", "refusal", "content_index"),
    "reasoning_summary_text": ("summary", "summary_text", "text", "summary_index"),
    "reasoning_text": ("content", "reasoning_text", "text", "content_index"),
}


@st.composite
def tellings(draw: st.DrawFn, response: Event) -> list[Event]:
    """The events by which an upstream may tell a response."""
    how = draw(st.sampled_from(["deltas", "deltas", "unfinished", "done", "items", "terminal"]))
    indexed = draw(st.booleans())
    events: list[Event] = []
    if draw(st.booleans()):
        events.append({"type": "response.created", "response": {**response, "output": []}})
    for index, item in enumerate(response["output"] if how != "terminal" else ()):
        at = {"output_index": index} if indexed else {"item_id": item["id"]}
        here = {"output_index": index} if indexed else {}
        if how != "items":
            events.append(event("output_item.added", item=_bare(item), **here))
            for subject, member, text, extra in _texts(item):
                if how in ("deltas", "unfinished"):
                    events += [
                        event(f"{subject}.delta", delta=piece, **at, **extra)
                        for piece in _pieces(draw, text)
                    ]
                if how == "done" or draw(st.booleans()):
                    events.append(event(f"{subject}.done", **{member: text}, **at, **extra))
            events += _citations(draw, item, at)
        if how != "unfinished":
            events.append(event("output_item.done", item=item, **here))
    told = how in ("terminal", "unfinished") or draw(st.booleans())
    final = {**response, "output": response["output"] if told else []}
    return [*events, event(response["status"], response=final)]


def event(kind: str, **members: Any) -> Event:
    return {"type": f"response.{kind}", **members}


def _bare(item: Event) -> Event:
    emptied = {"content": [], "summary": [], "arguments": "", "input": ""}
    return {name: emptied.get(name, value) for name, value in item.items()}


def _texts(item: Event) -> list[tuple[str, str, str, Event]]:
    """Subject, member, text and index of each text of an item."""
    if item["type"] == "function_call":
        return [("function_call_arguments", "arguments", item["arguments"], {})]
    if item["type"] == "custom_tool_call":
        return [("custom_tool_call_input", "input", item["input"], {})]
    found = []
    # Upstreams send an item's summary before its text.
    for subject in ("reasoning_summary_text", "reasoning_text", "output_text", "refusal"):
        member, kind, inner, counter = TEXTS[subject]
        for index, part in enumerate(item.get(member) or ()):
            if part["type"] == kind:
                found.append((subject, inner, part[inner], {counter: index}))
    return found


def _citations(draw: st.DrawFn, item: Event, at: Event) -> list[Event]:
    """Of each part, the first few annotations as events of their own."""
    return [
        event("output_text.annotation.added", annotation=given, content_index=index, **at)
        for index, part in enumerate(item["content"] if item["type"] == "message" else ())
        for given in part.get("annotations", ())[: draw(st.integers(0, 3))]
    ]


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    places = draw(st.lists(st.integers(0, len(text)), max_size=3))
    edges = [0, *sorted(places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


# --- upstreams out of their mind -----------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SOME, inner, max_size=2),
    max_leaves=5,
)
TYPES = st.sampled_from(
    [
        *("response.created", "response.completed", "response.incomplete", "response.failed"),
        *("response.output_item.added", "response.output_item.done", "error"),
        *(f"response.{subject}.{verb}" for subject in TEXTS for verb in ("delta", "done")),
        *("response.function_call_arguments.delta", "response.custom_tool_call_input.done"),
        "response.output_text.annotation.added",
    ]
)
NAMES = (
    *("item", "response", "delta", "text", "output_index", "item_id", "content_index", "output"),
    *("summary_index", "annotation", "annotations", "arguments", "input", "error", "usage", "id"),
    *("content", "summary", "name", "call_id", "status", "incomplete_details", "code", "message"),
    *("input_tokens_details", "created_at", "model", "start_index"),
)
KINDS = st.sampled_from(
    ["message", "reasoning", "function_call", "custom_tool_call", "output_text", "url_citation"]
)
SMALL = st.builds(
    lambda kind, members: {**members, "type": kind},
    KINDS,
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3),
)
MEMBER = st.one_of(JSON, SMALL, st.lists(SMALL, max_size=2))
EVENT = st.builds(
    lambda kind, members: {**members, "type": kind},
    TYPES | JSON,
    st.dictionaries(st.sampled_from(NAMES), MEMBER, max_size=4),
)
