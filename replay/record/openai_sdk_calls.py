"""A script: one scenario of the ``openai`` SDK. ``SCENARIO BASE_URL KEY MODEL``.

It runs with the SDK's own interpreter and imports nothing of floway. A scenario that does not get
what it asked for ends with an error; one that this release of the SDK does not have, with code 3.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import OpenAI

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of a city."}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "weather", "description": "Today's weather.", "parameters": SCHEMA}
LACKING = 3
ASK = 'How is it there? [[call weather {"city": "Paris"}]]'
TURNS = ("Say hello.", "And once more.", "And a last time.")


def weather(city: str) -> str:
    """What the model's call runs."""
    return json.dumps({"city": city, "sky": "clear", "degrees": 6 * 3})


def dot() -> str:
    """The smallest picture: one grey pixel, as a data URL."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    png = (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _city() -> Any:
    """What structured answers are: made late, since pydantic comes with the SDK."""
    from pydantic import BaseModel, create_model

    made: type[BaseModel] = create_model("City", name=(str, ...), people=(int, ...))
    return made


# --- chat completions ----------------------------------------------------------------------------


def chat_plain(client: OpenAI, model: str) -> Any:
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": TURNS[0]},
    ]
    answer = client.chat.completions.create(model=model, messages=messages)
    return answer.choices[0].message.content


def chat_stream(client: OpenAI, model: str) -> Any:
    chunks = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": TURNS[0]}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def chat_tools(client: OpenAI, model: str) -> Any:
    tools: Any = [{"type": "function", "function": FUNCTION}]
    messages: Any = [{"role": "user", "content": ASK}]
    first = client.chat.completions.create(model=model, messages=messages, tools=tools)
    message = first.choices[0].message
    messages.append(message)
    for call in message.tool_calls or ():
        output = weather(**json.loads(call.function.arguments))  # type: ignore[union-attr]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": output})
    second = client.chat.completions.create(model=model, messages=messages, tools=tools)
    return second.choices[0].message.content


def chat_structured(client: OpenAI, model: str) -> Any:
    completions: Any = client.chat.completions
    if not hasattr(completions, "parse"):  # where releases before 1.92 have it
        completions = client.beta.chat.completions
    answer = completions.parse(
        model=model,
        messages=[{"role": "user", "content": "Which city is it?"}],
        response_format=_city(),
    )
    return answer.choices[0].message.parsed


def chat_image(client: OpenAI, model: str) -> Any:
    content: Any = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": dot(), "detail": "low"}},
    ]
    messages: Any = [{"role": "user", "content": content}]
    answer = client.chat.completions.create(model=model, messages=messages)
    return answer.choices[0].message.content


def chat_turns(client: OpenAI, model: str) -> Any:
    messages: Any = []
    said: Any = ""
    for turn in TURNS:
        messages.append({"role": "user", "content": turn})
        answer = client.chat.completions.create(model=model, messages=messages)
        said = answer.choices[0].message.content
        messages.append({"role": "assistant", "content": said})
    return said


# --- Responses -----------------------------------------------------------------------------------


def responses_plain(client: OpenAI, model: str) -> Any:
    answer = client.responses.create(model=model, instructions="Be brief.", input=TURNS[0])
    return answer.output_text


def responses_stream(client: OpenAI, model: str) -> Any:
    events = client.responses.create(model=model, input=TURNS[0], stream=True)
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def responses_tools(client: OpenAI, model: str) -> Any:
    tools: Any = [{"type": "function", "strict": True, **FUNCTION}]
    items: Any = [{"role": "user", "content": f"{ASK}[[think]]"}]
    first = client.responses.create(
        model=model,
        input=items,
        tools=tools,
        store=False,
        reasoning={"effort": "low"},
        include=["reasoning.encrypted_content"],
    )
    items += first.output
    for item in first.output:
        if item.type == "function_call":
            output = weather(**json.loads(item.arguments))
            items.append(
                {"type": "function_call_output", "call_id": item.call_id, "output": output}
            )
    second = client.responses.create(model=model, input=items, tools=tools, store=False)
    return second.output_text


def responses_structured(client: OpenAI, model: str) -> Any:
    answer = client.responses.parse(model=model, input="Which city is it?", text_format=_city())
    return answer.output_parsed


def responses_image(client: OpenAI, model: str) -> Any:
    content: Any = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": dot(), "detail": "low"},
    ]
    answer = client.responses.create(model=model, input=[{"role": "user", "content": content}])
    return answer.output_text


def responses_previous(client: OpenAI, model: str) -> Any:
    answer = client.responses.create(model=model, input=TURNS[0])
    for turn in TURNS[1:]:
        answer = client.responses.create(model=model, input=turn, previous_response_id=answer.id)
    return answer.output_text


def responses_turns(client: OpenAI, model: str) -> Any:
    items: Any = []
    said = ""
    for turn in TURNS:
        items.append({"role": "user", "content": turn})
        answer = client.responses.create(model=model, input=items, store=False)
        items += answer.output
        said = answer.output_text
    return said


CALLS: tuple[Callable[[OpenAI, str], Any], ...] = (
    chat_plain,
    chat_stream,
    chat_tools,
    chat_structured,
    chat_image,
    chat_turns,
    responses_plain,
    responses_stream,
    responses_tools,
    responses_structured,
    responses_image,
    responses_previous,
    responses_turns,
)


def main(scenario: str, base_url: str, key: str, model: str) -> None:
    """Run it and print what came of it.

    Raises:
        SystemExit: nothing came of it, or the SDK lacks it.
    """
    from openai import OpenAI

    call = {each.__name__.replace("_", "-"): each for each in CALLS}[scenario]
    with OpenAI(base_url=base_url, api_key=key, max_retries=0) as client:
        try:
            said = call(client, model)
        except AttributeError as missing:
            if not type(missing.obj).__module__.startswith("openai."):
                raise  # a mistake in here
            sys.stdout.write(f"{missing}\n")
            sys.exit(LACKING)
    if not said:
        raise SystemExit(f"{scenario}: an empty answer")
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
