"""The way to Cursor: hosts, headers, streams, and the accounts' lists of models."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from addons.accounts.model import Account
from addons.accounts.quota import Quota
from addons.errors import ClientError
from addons.providers.cursor.failures.errors import CursorError
from addons.providers.cursor.models import MalformedModels, Model, ModelList, united
from addons.providers.cursor.proto.agent_pb2 import GetUsableModelsResponse
from addons.providers.cursor.proto.aiserver_pb2 import (
    AvailableModelsRequest,
    AvailableModelsResponse,
)
from addons.providers.cursor.sign_in.credentials import PROVIDER
from addons.providers.cursor.sign_in.roster import credential_of
from addons.providers.cursor.sign_in.usage import quota_of
from addons.providers.cursor.wire.channel import Channel, Channels, Opening
from addons.providers.cursor.wire.client_identity import ClientIdentity
from addons.providers.cursor.wire.connections import Connections
from addons.providers.cursor.wire.discovery import Discovery, Policy
from addons.providers.cursor.wire.endpoint import BACKEND, Endpoint, Hosts
from addons.providers.cursor.wire.http_clients import HttpClients
from addons.providers.cursor.wire.unary import AVAILABLE_MODELS, CURRENT_USAGE, USABLE_MODELS, Unary
from addons.settings import Settings

logger = logging.getLogger(__name__)

GIVEN_TOOLS: Final = "mcp_tool_call"
"""Floway gives tools; Cursor's own ones would only be refused (cursor-protocol.md §1.2)."""


class CursorUpstream:
    """One per provider; implements :class:`.runs.Upstream`.

    Args:
        url: of the sandbox, in place of what the settings name; "": none.
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
        agent = "" if url else settings.agent_upstreams.get(PROVIDER, "")
        self._policy = Policy(backend, Endpoint.parse(agent) if agent else None)
        self._identity = ClientIdentity(client_version=settings.client_versions.get(PROVIDER, ""))
        self._clients = HttpClients(ca_file=ca_file)
        self._connections = Connections(ca_file=ca_file)
        self._channels = Channels(self._connections, self._clients)
        self._unary = Unary(self._clients)
        self._discovery = Discovery(self._unary, clock=clock)
        self._clock = clock
        self._lists: dict[str, ModelList] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        self._connections.close()
        await self._clients.close()

    # --- runs --------------------------------------------------------------------------------

    async def hosts(self, account: Account) -> Hosts:
        """Where the account's requests go."""
        return await self._discovery.hosts(
            self._policy,
            account.handle,
            lambda: self._identity.config(access_token=credential_of(account).access_token),
        )

    @property
    def own_hosts(self) -> Hosts:
        """Where calls go that belong to no account."""
        policy = self._policy
        return Hosts(policy.backend, policy.agent or policy.backend, policy.way)

    def opening(self, account: Account, run_id: str, *, tools: bool) -> Opening:
        """The headers of a run. ``tools``: there are some that the model may call."""
        return self._identity.opening(
            access_token=credential_of(account).access_token,
            request_id=run_id,
            allowed_tools=GIVEN_TOOLS if tools else "",
        )

    async def open(self, hosts: Hosts, opening: Opening, *, lane: str) -> Channel:
        return await self._channels.open(hosts, opening, lane=lane)

    async def quota(self, account: Account) -> Quota | None:
        """What the account has used of its plan; None where nobody says."""
        try:
            found = await self._unary.call_json(
                self._policy.backend,
                CURRENT_USAGE,
                headers=self._headers(account),
                lane=account.handle,
                body={},
            )
        except CursorError as error:
            logger.info("account %s: its usage is not known: %s", account.label, error)
            return None
        return quota_of(found, self._clock())

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
        usable, available = await asyncio.gather(self._usable(account), self._available(account))
        try:
            if usable is not None or available is not None:
                return known.fetched(usable, available, self._clock())
        except MalformedModels as error:
            logger.warning("account %s: %s", account.label, error)
        return known.failed(self._clock())

    async def _usable(self, account: Account) -> bytes | None:
        """Which models there are; None, and a line in the log, where there is no answer."""
        try:
            found = await self._unary.call(
                self._policy.backend,
                USABLE_MODELS,
                GetUsableModelsResponse,
                headers=self._headers(account),
                lane=account.handle,
            )
        except CursorError as error:
            logger.warning("account %s: its models are not known: %s", account.label, error)
            return None
        return found.SerializeToString()

    async def _available(self, account: Account) -> bytes | None:
        """How large they are, and what they can be set to; likewise."""
        try:
            found = await self._unary.call(
                self._policy.backend,
                AVAILABLE_MODELS,
                AvailableModelsResponse,
                headers=self._headers(account),
                lane=account.handle,
                message=AvailableModelsRequest(use_model_parameters=True),
            )
        except CursorError as error:
            logger.warning("account %s: the models' sizes are not known: %s", account.label, error)
            return None
        return found.SerializeToString()

    def _headers(self, account: Account) -> list[tuple[str, str]]:
        token = credential_of(account).access_token
        return self._identity.unary(access_token=token, request_id=str(uuid.uuid4()))
