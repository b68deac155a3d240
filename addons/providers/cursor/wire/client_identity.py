"""Who floway says it is: the headers of an official client, from a declared file.

The files are in ``fingerprints/profiles/cursor``; they say themselves where each part comes from.
Client type and version are settings, since Cursor refuses versions that are too old
(cursor-protocol.md §2.4).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import fingerprints
from addons.errors import FlowayError
from addons.providers.cursor.wire.channel import Opening

NEWEST: Final = "sdk-1.1.0"

SHELF: Final = Path(fingerprints.__file__).parent / "profiles" / "cursor"

type Kind = Literal["run", "run_sse", "append", "unary", "config"]

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_TOKEN = re.compile(r"(?:::|%3A%3A)", re.IGNORECASE)
_NAMES: Final = frozenset(
    {"access_token", "request_id", "client_type", "client_version", "ghost_mode"}
    | {"blob_key", "allowed_tools", "timeout_ms"}
)

type _Header = tuple[
    Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Annotated[str, Field(pattern=r"^[ -~]*$")]
]
type _List = Annotated[tuple[_Header, ...], Field(min_length=1)]


class _File(BaseModel):
    """The file's form; ``client`` and ``release`` are for people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client: str
    release: str
    client_type: str
    client_version: str
    run: _List
    run_sse: _List
    append: _List
    unary: _List
    config: _List


class ClientIdentity:
    """Builds headers. Holds no secret.

    Args:
        name: file of :data:`SHELF`, without its suffix.
        client_type, client_version: in place of the file's own; "" keeps those.
        ghost_mode: privacy mode (cursor-protocol.md §1.2).

    Raises:
        FlowayError: there is no such file.
    """

    def __init__(
        self,
        name: str = NEWEST,
        *,
        client_type: str = "",
        client_version: str = "",
        ghost_mode: bool = True,
    ) -> None:
        file = _read(name)
        self.name = f"{file.client}@{file.release}"
        self.client_type = client_type or file.client_type
        self.client_version = client_version or file.client_version
        self.ghost_mode = ghost_mode
        self._lists: Mapping[Kind, tuple[tuple[str, str], ...]] = {
            "run": file.run,
            "run_sse": file.run_sse,
            "append": file.append,
            "unary": file.unary,
            "config": file.config,
        }

    def opening(
        self,
        *,
        access_token: str,
        request_id: str,
        blob_key: str | None = None,
        allowed_tools: str | None = None,
    ) -> Opening:
        """The headers of a run.

        Args:
            request_id: a new UUID v4 for each run.
            blob_key: 64 hex digits; None leaves the header out.
            allowed_tools: comma-separated names of ``ToolCall`` fields that the model may use
                (cursor-protocol.md §1.2); "" allows none, None says nothing.
        """
        values = {
            "access_token": access_token,
            "request_id": request_id,
            "blob_key": blob_key,
            "allowed_tools": allowed_tools,
            "timeout_ms": "0",  # set for each message by its size
        }
        return Opening(
            request_id,
            run=self._filled("run", values),
            run_sse=self._filled("run_sse", values),
            append=self._filled("append", values),
        )

    def unary(self, *, access_token: str, request_id: str) -> list[tuple[str, str]]:
        """The headers of a call about models, the account or its usage."""
        return self._filled("unary", {"access_token": access_token, "request_id": request_id})

    def config(self, *, access_token: str) -> list[tuple[str, str]]:
        """The headers of the call that asks for the server's configuration."""
        return self._filled("config", {"access_token": access_token})

    def _filled(self, kind: Kind, given: Mapping[str, str | None]) -> list[tuple[str, str]]:
        values: dict[str, str | None] = {
            **given,
            "access_token": bearer(given["access_token"] or ""),
            "client_type": self.client_type,
            "client_version": self.client_version,
            "ghost_mode": "true" if self.ghost_mode else "false",
        }
        headers = []
        for name, template in self._lists[kind]:
            named = _PLACEHOLDER.findall(template)
            if all(values.get(each) is not None for each in named):
                headers.append((name, template.format_map(values)))
        return headers


def bearer(token: str) -> str:
    """The token as it is sent: what stands after ``<user id>::`` where it has that form.

    Raises:
        FlowayError: no header can hold it.
    """
    token = _TOKEN.split(token.strip(), maxsplit=1)[-1]
    if not token or not token.isascii() or not token.isprintable():
        raise FlowayError("the account's access token is empty or holds characters it cannot have")
    return token


@cache
def _read(name: str) -> _File:
    known = sorted(file.stem for file in SHELF.glob("*.toml"))
    if name not in known:
        raise FlowayError(f"there is no client identity {name!r}; there are {', '.join(known)}")
    try:
        file = _File.model_validate(tomllib.loads((SHELF / f"{name}.toml").read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise FlowayError(f"the client identity {name!r} is damaged: {error}") from error
    lists = (file.run, file.run_sse, file.append, file.unary, file.config)
    named = {each for own in lists for _, value in own for each in _PLACEHOLDER.findall(value)}
    if unknown := sorted(named - _NAMES):
        raise FlowayError(f"the client identity {name!r} has unknown placeholders: {unknown}")
    return file
