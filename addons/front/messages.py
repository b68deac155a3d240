"""The Anthropic messages protocol, which Claude Code and Anthropic's SDKs speak."""

from __future__ import annotations

from collections.abc import Mapping

from addons.errors import ClientError
from addons.front import messages_errors
from addons.front.contract import Json, Renderer, Turn
from addons.front.messages_answer import AnswerOptions
from addons.front.messages_request import MessagesRequest
from addons.front.messages_stream import MessagesRenderer


class MessagesProtocol:
    """Clients that speak messages, translated to Responses and back."""

    name = "messages"

    def parse(self, body: Json) -> Turn:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return MessagesRequest(body).turn()

    def renderer(self, turn: Turn, request: Json) -> Renderer:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return MessagesRenderer(request["model"], AnswerOptions.of(request))

    def error(self, error: ClientError) -> tuple[Mapping[str, str], bytes]:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return messages_errors.render(error)
