"""Clients that are floway's own code: a turn at a time, each with all that was said before.

Every player has ``turn(number)``, which says a turn's prompt and carries out what the model asks
for, and ``close()``. The command-line clients are in :mod:`.programs`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from replay.continuity import script
from replay.continuity.channel import Channel, ChannelClosed
from replay.continuity.errors import PlayFailed, Unavailable
from replay.sandbox import Sandbox
from replay.sandbox.events import new_id

type Json = dict[str, Any]

SECONDS = 60.0
"""How long an answer may take."""

ROUNDS = 4
"""Most answers of one turn."""

_TOOL: Json = {"type": "function", **script.FUNCTION, "strict": True}
_CHAT_TOOL: Json = {"type": "function", "function": script.FUNCTION}
_REASONING: Json = {
    "reasoning": {"effort": "medium"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
}


class Player(Protocol):
    """One conversation of one client."""

    async def turn(self, number: int) -> None:
        """
        Raises:
            PlayFailed: no answer, or not the one that was asked for.
        """

    async def close(self) -> None:
        """Let go of connections."""


def _check(answered: bool, number: int, said: str) -> None:
    if not answered:
        raise PlayFailed(f"turn {number} was not answered as asked", said[-2000:])


def sdk() -> Any:
    """The ``openai`` package.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        import openai
    except ImportError:
        raise Unavailable(
            "the openai package is not installed beside floway; pip install openai"
        ) from None
    return openai


class SdkChat:
    """The OpenAI SDK over chat completions, stateless."""

    def __init__(self, url: str) -> None:
        self._client = sdk().AsyncOpenAI(
            base_url=f"{url}/v1", api_key=script.KEY, timeout=SECONDS, max_retries=2
        )
        self._messages: list[Any] = [{"role": "system", "content": script.RULES}]

    async def turn(self, number: int) -> None:
        self._messages.append({"role": "user", "content": script.prompt(number)})
        called = False
        for _ in range(ROUNDS):
            try:
                answer = await self._client.chat.completions.create(
                    model=script.MODEL, messages=self._messages, tools=[_CHAT_TOOL]
                )
            except sdk().OpenAIError as error:
                raise PlayFailed(f"turn {number}: {error}") from error
            message = answer.choices[0].message
            self._messages.append(message.model_dump(exclude_none=True))
            if not message.tool_calls:
                _check(called == script.asks_for_a_tool(number), number, str(message.content))
                return
            called = True
            for call in message.tool_calls:
                result = {"role": "tool", "tool_call_id": call.id, "content": script.output(number)}
                self._messages.append(result)
        raise PlayFailed(f"turn {number} does not end")

    async def close(self) -> None:
        await self._client.close()


class SdkResponses:
    """The OpenAI SDK over Responses, stateless: it sends back what it was given."""

    def __init__(self, url: str) -> None:
        self._client = sdk().AsyncOpenAI(
            base_url=f"{url}/v1", api_key=script.KEY, timeout=SECONDS, max_retries=2
        )
        self._items: list[Any] = []

    async def turn(self, number: int) -> None:
        self._items.append({"role": "user", "content": script.prompt(number)})
        called = False
        for _ in range(ROUNDS):
            try:
                response = await self._client.responses.create(
                    model=script.MODEL,
                    instructions=script.RULES,
                    tools=[_TOOL],
                    input=self._items,
                    **_REASONING,
                )
            except sdk().OpenAIError as error:
                raise PlayFailed(f"turn {number}: {error}") from error
            output = [item.model_dump(exclude_none=True) for item in response.output]
            self._items += output
            outputs = _outputs(output, number)
            if not outputs:
                _check(called == script.asks_for_a_tool(number), number, response.output_text)
                return
            called = True
            self._items += outputs
        raise PlayFailed(f"turn {number} does not end")

    async def close(self) -> None:
        await self._client.close()


class SocketClient:
    """A client of the WebSocket: each message continues the response before it.

    On a new connection, after a restart or a limit, it sends the whole conversation. It names its
    session in the handshake: what goes upstream there goes before its first message.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/responses"
        self._headers = {
            "authorization": f"Bearer {script.KEY}",
            "x-session-id": f"played-{secrets.token_hex(8)}",
        }
        self._channel: Channel | None = None
        self._items: list[Json] = []
        self._said = 0
        self._previous = ""

    async def turn(self, number: int) -> None:
        self._items.append(
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": script.prompt(number)}],
            }
        )
        called = False
        for _ in range(ROUNDS):
            response = await self._asked(number)
            outputs = _outputs(response["output"], number)
            if not outputs:
                _check(called == script.asks_for_a_tool(number), number, str(response["output"]))
                return
            called = True
            self._items += outputs
        raise PlayFailed(f"turn {number} does not end")

    async def _asked(self, number: int) -> Json:
        problem = ""
        for _ in range(ROUNDS):
            try:
                response = await self._ask()
            except (ChannelClosed, OSError, TimeoutError) as error:
                problem = str(error) or type(error).__name__
            else:
                if response.get("type") != "error":
                    self._items += response["output"]
                    self._said, self._previous = len(self._items), response["id"]
                    return response
                problem = str(response.get("error"))
            await self.close()
        raise PlayFailed(f"turn {number}: {problem}")

    async def _ask(self) -> Json:
        if self._channel is None:
            self._channel = await Channel.open(self._url, self._headers)
            self._said, self._previous = 0, ""
        body: Json = {
            "type": "response.create",
            "model": script.MODEL,
            "instructions": script.RULES,
            "tools": [_TOOL],
            "input": self._items[self._said :],
            **_REASONING,
        }
        if self._previous:
            body["previous_response_id"] = self._previous
        await self._channel.send(body)
        while True:
            event = await self._channel.receive()
            if event.get("type") in ("response.completed", "response.incomplete"):
                response: Json = event["response"]
                return response
            if event.get("type") in ("error", "response.failed"):
                found = event.get("error") or (event.get("response") or {}).get("error")
                return {"type": "error", "error": found}

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


class ScriptedOfficial:
    """What the official client sends, by floway's own code, straight to the sandbox.

    One session id for the headers and the cache key, every item with an id that stays. It stands
    in where the official client cannot be installed.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        import httpx

        account = sandbox.accounts[0]
        self._session = new_id("session")
        self._items: list[Json] = []
        self._client = httpx.AsyncClient(
            base_url=sandbox.http_url,
            timeout=SECONDS,
            trust_env=False,
            headers={
                "authorization": f"Bearer {sandbox.accounts.access_token(account)}",
                "chatgpt-account-id": account.id,
                "session-id": self._session,
            },
        )

    async def turn(self, number: int) -> None:
        content = [{"type": "input_text", "text": script.prompt(number)}]
        self._items.append({"type": "message", "role": "user", "content": content})
        for _ in range(ROUNDS):
            output = await self._ask(number)
            self._items += output
            outputs = _outputs(output, number)
            if not outputs:
                return
            self._items += outputs
        raise PlayFailed(f"turn {number} does not end")

    async def _ask(self, number: int) -> list[Json]:
        import httpx

        body = {
            "model": script.MODEL,
            "instructions": script.RULES,
            "tools": [_TOOL],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "input": self._items,
            "stream": True,
            "prompt_cache_key": self._session,
            **_REASONING,
        }
        try:
            answer = await self._client.post("/backend-api/codex/responses", json=body)
        except httpx.HTTPError as error:
            raise PlayFailed(f"turn {number}: {error!r}") from error
        if answer.status_code != 200:
            raise PlayFailed(f"turn {number}: {answer.status_code}", answer.text[-2000:])
        return _finished(answer.text)

    async def close(self) -> None:
        await self._client.aclose()


def _outputs(output: list[Json], number: int) -> list[Json]:
    """The outputs of the calls among a response's items."""
    return [
        {
            "type": "function_call_output",
            "call_id": item["call_id"],
            "output": script.output(number),
        }
        for item in output
        if item.get("type") == "function_call"
    ]


def _finished(stream: str) -> list[Json]:
    """The finished items of a stream of events."""
    import json

    found: list[Json] = []
    for line in stream.splitlines():
        if line.startswith("data: {"):
            event = json.loads(line.removeprefix("data: "))
            if event.get("type") == "response.output_item.done":
                found.append(event["item"])
    return found


async def closed(player: Player) -> None:
    """Close a player whose other side may be gone."""
    with contextlib.suppress(PlayFailed, OSError):
        await player.close()


type MakePlayer = Callable[[str], Player]
