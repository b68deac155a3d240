"""What a provider shows of its own traffic. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Look:
    """The message that is looked at.

    Attributes:
        path: of the request, without its query.
        headers: of the message; of a WebSocket message those of its handshake.
        is_request: it is a request, or comes from the client.
        socket: it is a message of a WebSocket.
        summary: what floway has written down of the exchange; {} where that is gone.
    """

    path: str
    headers: Sequence[tuple[str, str]] = ()
    is_request: bool = True
    socket: bool = False
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """In lower case, without parameters; "" for none."""
        found = next((v for n, v in self.headers if n.lower() == "content-type"), "")
        return found.partition(";")[0].strip().lower()


class Lens(Protocol):
    """One way of showing a provider's messages.

    Attributes:
        name: of the content view.
    """

    name: str

    def fits(self, look: Look, data: bytes) -> bool:
        """Whether this is such a message, or a part of one."""

    def shown(self, look: Look, data: bytes) -> str:
        """The text. Broken and cut data is shown as far as it goes."""
