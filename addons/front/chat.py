"""The OpenAI chat completions protocol."""

from __future__ import annotations

from collections.abc import Mapping

from addons.errors import ClientError
from addons.front import openai_errors
from addons.front.chat_answer import AnswerOptions
from addons.front.chat_request import ChatRequest
from addons.front.chat_stream import ChatRenderer
from addons.front.contract import Json, Renderer, Turn


class ChatProtocol:
    """Clients that speak chat completions, translated to Responses and back."""

    name = "chat"

    def parse(self, body: Json) -> Turn:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return ChatRequest(body).turn()

    def renderer(self, turn: Turn, request: Json) -> Renderer:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return ChatRenderer(turn.model, AnswerOptions.of(request))

    def error(self, error: ClientError) -> tuple[Mapping[str, str], bytes]:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return openai_errors.render(error)
