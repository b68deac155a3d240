"""The way to Cursor: hosts, headers, streams, and the accounts' lists of models."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.providers.cursor import http_clients
from addons.providers.cursor.answer import refusal
from addons.providers.cursor.bidi import metadata
from addons.providers.cursor.channel import Channel, Channels, Opening
from addons.providers.cursor.connections import Connections
from addons.providers.cursor.credentials import PROVIDER
from addons.providers.cursor.endpoint import BACKEND, Endpoint, Hosts
from addons.providers.cursor.errors import CursorError
from addons.providers.cursor.http_clients import HttpClients
from addons.providers.cursor.models import MalformedModels, Model, ModelList, united
from addons.providers.cursor.roster import credential_of
from addons.settings import Settings

logger = logging.getLogger(__name__)

USABLE: Final = "/agent.v1.AgentService/GetUsableModels"
AVAILABLE: Final = "/aiserver.v1.AiService/AvailableModels"
TIMEOUT: Final = httpx.Timeout(8.0)
"""For a unary call (cursor-protocol.md §1.3)."""


class CursorUpstream:
    """One per provider; implements :class:`.runs.Upstream`.

    Args:
        url: of the backend; "": the real one, or what the settings name.
        ca_file: to trust besides the usual ones.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        url: str = "",
        ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        backend = Endpoint.parse(url or settings.upstreams.get(PROVIDER) or BACKEND)
        agent = settings.agent_upstreams.get(PROVIDER)
        self._hosts = Hosts(backend, Endpoint.parse(agent) if agent and not url else backend)
        self._clients = HttpClients(ca_file=ca_file)
        self._connections = Connections(ca_file=ca_file)
        self._channels = Channels(self._connections, self._clients)
        self._version = settings.client_versions.get(PROVIDER, "")
        self._clock = clock
        self._lists: dict[str, ModelList] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        self._connections.close()
        await self._clients.close()

    # --- runs --------------------------------------------------------------------------------

    async def hosts(self, account: Account) -> Hosts:
        return self._hosts

    @property
    def own_hosts(self) -> Hosts:
        """Where calls go that belong to no account."""
        return self._hosts

    def opening(self, account: Account, run_id: str) -> Opening:
        shown = self._shown(account)
        common = [*shown, ("x-request-id", run_id), ("x-original-request-id", run_id)]
        stream = ("content-type", "application/connect+proto")
        return Opening(
            run_id,
            [*common, stream, ("connect-accept-encoding", "gzip")],
            [*common, stream, ("x-cursor-streaming", "true")],
            [*common, ("content-type", "application/proto")],
        )

    async def open(self, hosts: Hosts, opening: Opening, *, lane: str) -> Channel:
        return await self._channels.open(hosts, opening, lane=lane)

    def _shown(self, account: Account) -> list[tuple[str, str]]:
        return [
            ("authorization", f"Bearer {credential_of(account).access_token}"),
            ("connect-protocol-version", "1"),
            ("user-agent", "connect-es/1.6.1"),
            ("x-cursor-client-type", "sdk"),
            ("x-cursor-client-version", self._version or "sdk-python-1.1.0"),
            ("x-ghost-mode", "true"),
        ]

    # --- models ------------------------------------------------------------------------------

    async def models(self, account: Account) -> Sequence[Model]:
        """The account's list, asked for again where it is due; the last good one meanwhile."""
        known = self._lists.get(account.handle, ModelList())
        lock = self._locks.setdefault(account.handle, asyncio.Lock())
        if known.due(self._clock()) and not (known.models and lock.locked()):
            async with lock:
                known = self._lists.get(account.handle, ModelList())
                if known.due(self._clock()):
                    known = self._lists[account.handle] = await self._fetched(account, known)
        return known.models

    async def all_models(self, accounts: Sequence[Account]) -> list[Model]:
        """The models that at least one of the accounts can use.

        Raises:
            ClientError: 502, there is no list.
        """
        await asyncio.gather(*(self.models(account) for account in accounts))
        found = united(self._lists[account.handle] for account in accounts)
        if accounts and not found:
            raise ClientError(
                502, "models_unavailable", "Cursor's model list could not be had. Try again."
            )
        return found

    async def _fetched(self, account: Account, known: ModelList) -> ModelList:
        usable, available = await asyncio.gather(
            self._answered(account, USABLE), self._answered(account, AVAILABLE)
        )
        try:
            if usable is not None or available is not None:
                return known.fetched(usable, available, self._clock())
        except MalformedModels as error:
            logger.warning("account %s: %s", account.label, error)
        return known.failed(self._clock())

    async def _answered(self, account: Account, path: str) -> bytes | None:
        """The answer to a call; None, and a line in the log, where there is none."""
        try:
            return await self._unary(account, path)
        except CursorError as error:
            logger.warning("account %s: %s: %s", account.label, path.rpartition("/")[2], error)
            return None

    async def _unary(self, account: Account, path: str) -> bytes:
        """
        Raises:
            CursorError: no answer, or an error.
        """
        headers = [*self._shown(account), ("content-type", "application/proto")]
        request = http_clients.request(self._hosts.backend, path, headers, b"", TIMEOUT)
        try:
            answer = await self._clients.client(account.handle).send(request)
        except httpx.HTTPError as error:
            raise http_clients.translated(error, TIMEOUT) from None
        if answer.status_code != 200:
            raise refusal(answer.status_code, answer.content, metadata(answer))
        return answer.content
