"""The client protocols by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from addons.front.chat import ChatProtocol
from addons.front.compaction import CompactionProtocol
from addons.front.contract import ClientProtocol
from addons.front.messages import MessagesProtocol
from addons.front.responses import ResponsesProtocol

_ALL: tuple[ClientProtocol, ...] = (
    ResponsesProtocol(),
    ChatProtocol(),
    MessagesProtocol(),
    CompactionProtocol(),
)

PROTOCOLS: Final[Mapping[str, ClientProtocol]] = MappingProxyType(
    {protocol.name: protocol for protocol in _ALL}
)


def get(name: str) -> ClientProtocol:
    """The protocol that a route names.

    Raises:
        LookupError: there is none of that name; lists those that exist.
    """
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise LookupError(
            f"unknown client protocol {name!r}; known: {', '.join(sorted(PROTOCOLS))}"
        ) from None
