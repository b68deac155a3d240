"""Which host an account's runs go to, as the server's configuration says (cursor-protocol.md §1.1).

An agent host of another region than the account's fails, so that it is asked for by account.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from addons.errors import FlowayError
from addons.providers.cursor.proto import aiserver_pb2 as aiserver
from addons.providers.cursor.wire.endpoint import Endpoint, Hosts, Way
from addons.providers.cursor.wire.unary import SERVER_CONFIG, Unary

logger = logging.getLogger(__name__)

TTL: Final = 3600.0
"""Seconds for which an answer holds."""

RETRY: Final = 60.0
"""Seconds after which a failed question is asked again; until then the last answer holds."""

_NO_BIDI: Final = frozenset(
    {aiserver.HTTP2_CONFIG_FORCE_ALL_DISABLED, aiserver.HTTP2_CONFIG_FORCE_BIDI_DISABLED}
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say.

    Attributes:
        agent: where runs go; None: as the server says.
    """

    backend: Endpoint
    agent: Endpoint | None = None
    way: Way = "auto"
    ghost_mode: bool = True


@dataclass(frozen=True, slots=True)
class _Known:
    hosts: Hosts
    until: float


class Discovery:
    """Remembers the hosts of each account.

    Args:
        clock: seconds, of any origin.
    """

    LIMIT: Final = 1000

    def __init__(self, unary: Unary, *, clock: Callable[[], float]) -> None:
        self._unary = unary
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def hosts(
        self, policy: Policy, account: str, headers: Callable[[], Sequence[tuple[str, str]]]
    ) -> Hosts:
        """The hosts of an account; asked for by one task at a time. Never fails.

        Where nothing is known and nothing can be had, runs go to the backend, as those of many
        clients do.

        Args:
            account: its handle.
            headers: of the question (:meth:`.client_identity.ClientIdentity.config`); only called
                when it is asked.
        """
        if policy.agent is not None:
            return Hosts(policy.backend, policy.agent, policy.way)
        known = self._known.get(account)
        if known is not None and known.until > self._clock():
            return known.hosts
        lock = self._locks.setdefault(account, asyncio.Lock())
        async with lock:
            known = self._known.get(account)
            if known is None or known.until <= self._clock():
                known = await self._asked(policy, account, headers, known)
                self._known[account] = known
                self._shrink()
        return known.hosts

    def forget(self, account: str) -> None:
        """The account has changed, or its host does not want it: ask again."""
        self._known.pop(account, None)

    async def _asked(
        self,
        policy: Policy,
        account: str,
        headers: Callable[[], Sequence[tuple[str, str]]],
        before: _Known | None,
    ) -> _Known:
        try:
            config = await self._unary.call(
                policy.backend,
                SERVER_CONFIG,
                aiserver.GetServerConfigResponse,
                headers=headers(),
                lane=account,
            )
        except FlowayError as error:  # of the call, or of headers that cannot be made
            logger.warning("the agent's host could not be asked for: %s", error)
            last = before.hosts if before is not None else None
            return _Known(
                last or Hosts(policy.backend, policy.backend, policy.way), self._clock() + RETRY
            )
        return _Known(hosts_of(config, policy), self._clock() + TTL)

    def _shrink(self) -> None:
        while len(self._known) > self.LIMIT:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._locks.pop(oldest, None)


def hosts_of(config: aiserver.GetServerConfigResponse, policy: Policy) -> Hosts:
    """What a configuration means. Pure.

    A host that is not of the backend's own domain is not taken: it would be sent the account's
    token.
    """
    way = policy.way
    if way == "auto" and config.http2_config in _NO_BIDI:
        way = "http1"
    urls = config.agent_url_config
    named = urls.agent_url if policy.ghost_mode else urls.agentn_url
    agent = policy.backend
    if named:
        try:
            found = Endpoint.parse(named if "://" in named else f"https://{named}")
        except FlowayError as error:
            logger.warning("the configuration names an agent host that is none: %s", error)
        else:
            if trusted(found, policy.backend):
                agent = found
            else:
                logger.warning("the configuration names a foreign agent host: %s", found.host)
    return Hosts(policy.backend, agent, way)


def trusted(agent: Endpoint, backend: Endpoint) -> bool:
    """Whether an agent host may be sent what the backend is sent."""
    if backend.secure and not agent.secure:
        return False
    if agent.host == backend.host:
        return True
    domain = backend.host.split(".")[-2:]
    return not _is_address(backend.host) and agent.host.split(".")[-2:] == domain


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
