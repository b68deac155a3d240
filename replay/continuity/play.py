"""Which conversations are played, and one conversation from its first turn to its numbers."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from fingerprints.library import load
from replay.continuity import programs, script
from replay.continuity.clients import (
    Player,
    ScriptedOfficial,
    SdkChat,
    SdkResponses,
    SocketClient,
    closed,
    sdk,
)
from replay.continuity.errors import PlayFailed, Unavailable
from replay.continuity.measure import Measured, WatchedCache, measured
from replay.continuity.programs import CodexDirect, OpenCode
from replay.continuity.proxy import ServingFloway
from replay.record import install
from replay.record.install import Installed
from replay.sandbox import Sandbox, SandboxConfig

type CaseName = Literal["plain", "restart", "exhausted"]

YARDSTICK: Final = "codex direct"
SCRIPTED: Final = "scripted direct"
CLIENTS: Final = ("opencode-chat", "opencode-responses", "sdk-chat", "sdk-responses", "websocket")
GOAL: Final = 0.99
"""Of the yardstick's ratio."""

RESET_SECONDS: Final = 3600.0
"""When an exhausted account has quota again."""


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation. ``accounts`` 0: straight against the sandbox."""

    client: str
    accounts: int
    name: CaseName = "plain"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case.

    Attributes:
        measured: None when it failed or was skipped.
        failure: why; with the end of what client or floway said in ``output``.
        skipped: why the client is not there.
    """

    case: Case
    turns: int
    measured: Measured | None = None
    failure: str = ""
    output: str = ""
    skipped: str = ""


type Told = Callable[[Case, int], None]
"""Called after each turn with its number, from 1."""


_PLAYED: Final[tuple[tuple[int, CaseName], ...]] = (
    (1, "plain"),
    (1, "restart"),
    (3, "plain"),
    (3, "restart"),
    (3, "exhausted"),
)
"""Accounts, and what happens half way."""


def cases(clients: Sequence[str]) -> list[Case]:
    """All that is played through floway, in order."""
    return [Case(client, accounts, name) for client in clients for accounts, name in _PLAYED]


def official_release() -> str:
    """The release of the newest profile: the one that floway's requests are modelled on."""
    return load("codex@latest").name.partition("@")[2]


class Stage:
    """Plays cases; one sandbox, one floway and one client for each.

    Args:
        cache: folder for scratch folders and the sandbox's certificates.
        tell: called with what is done, when that takes time.
        told: see :data:`Told`.
    """

    def __init__(
        self,
        cache: Path,
        turns: int,
        *,
        tell: Callable[[str], None] = lambda _: None,
        told: Told = lambda _case, _turn: None,
    ) -> None:
        self._cache = cache
        self._turns = turns
        self._tell = tell
        self._told = told
        self._installed: dict[str, Installed | Unavailable] = {}
        self._installing = asyncio.Lock()
        self._starting = asyncio.Lock()

    async def yardstick(self) -> Result:
        """The official client straight against the sandbox, or a script where it is not there."""
        try:
            package = install.CODEX
            client = await programs.installed(package, official_release(), self._tell)
        except Unavailable as unavailable:
            self._tell(f"the yardstick is a script that sends what Codex sends: {unavailable}")
            return await self._result(Case(SCRIPTED, 0), None)
        return await self._result(Case(YARDSTICK, 0), client)

    async def play(self, case: Case) -> Result:
        """A case through floway."""
        try:
            client = await self._client(case.client)
        except Unavailable as unavailable:
            return Result(case, self._turns, skipped=str(unavailable))
        return await self._result(case, client)

    async def _client(self, name: str) -> Installed | None:
        """
        Raises:
            Unavailable: it is not there.
        """
        if name.startswith("sdk"):
            sdk()
        if not name.startswith("opencode"):
            return None
        async with self._installing:
            if name not in self._installed:
                try:
                    release = programs.OPENCODE_RELEASE
                    found = await programs.installed(programs.OPENCODE, release, self._tell)
                    self._installed[name] = found
                except Unavailable as unavailable:
                    self._installed[name] = unavailable
        known = self._installed[name]
        if isinstance(known, Unavailable):
            raise known
        return known

    async def _result(self, case: Case, client: Installed | None) -> Result:
        try:
            found = await self._played(case, client)
        except PlayFailed as error:
            return Result(case, self._turns, failure=str(error), output=error.output)
        return Result(case, self._turns, found)

    async def _played(self, case: Case, client: Installed | None) -> Measured:
        """
        Raises:
            PlayFailed: client or floway did not do its part.
        """
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix="continuity-", dir=self._cache, ignore_cleanup_errors=True
        ) as folder:
            async with contextlib.AsyncExitStack() as stack:
                scratch = Path(folder)
                sandbox, cache = await stack.enter_async_context(self._sandbox(case))
                floway = None
                if case.accounts:
                    process = ServingFloway(scratch / "floway", sandbox, case.accounts)
                    floway = await stack.enter_async_context(process)
                player = _player(case, client, scratch / "client", sandbox, floway)
                stack.push_async_callback(closed, player)
                for number in range(self._turns):
                    if number == self._turns // 2:
                        await _middle(case, sandbox, cache, floway)
                    try:
                        await player.turn(number)
                    except PlayFailed as error:
                        if floway is not None:
                            error.output += f"\n{floway.log()}"
                        raise
                    self._told(case, number + 1)
                if floway is not None:
                    floway.check()
                refused = {
                    reason for each in sandbox.services.recorder.entries() for reason in each.gate
                }
                if refused:
                    raise PlayFailed(f"the sandbox refused the form: {'; '.join(sorted(refused))}")
        found = measured(cache.asked, forgiven=int(case.name == "exhausted"))
        if found.requests < script.requests(self._turns):
            raise PlayFailed(
                f"{script.requests(self._turns)} requests were expected, {found.requests} came"
            )
        return found

    @contextlib.asynccontextmanager
    async def _sandbox(self, case: Case) -> AsyncIterator[tuple[Sandbox, WatchedCache]]:
        config = SandboxConfig(
            home=self._cache / "sandbox",
            accounts=3,
            gate="newest" if case.accounts else "off",
        )
        sandbox = Sandbox(config)
        cache = WatchedCache(config.cache_blocks, config.cache_ttl)
        sandbox.services.cache = cache
        async with contextlib.AsyncExitStack() as stack:
            async with self._starting:  # the first one makes the certificates of all
                await stack.enter_async_context(sandbox)
            yield sandbox, cache


def _player(
    case: Case,
    client: Installed | None,
    folder: Path,
    sandbox: Sandbox,
    floway: ServingFloway | None,
) -> Player:
    if floway is None:
        return ScriptedOfficial(sandbox) if client is None else CodexDirect(client, folder, sandbox)
    match case.client:
        case "sdk-chat":
            return SdkChat(floway.url)
        case "sdk-responses":
            return SdkResponses(floway.url)
        case "websocket":
            return SocketClient(floway.url)
        case _:
            assert client is not None
            protocol = case.client.partition("-")[2]
            return OpenCode(client, folder, floway.url, protocol)


async def _middle(
    case: Case, sandbox: Sandbox, cache: WatchedCache, floway: ServingFloway | None
) -> None:
    """What happens half way.

    Raises:
        PlayFailed: floway does not come back.
    """
    if case.name == "restart" and floway is not None:
        await floway.restart()
    elif case.name == "exhausted":
        own = [each for each in cache.asked if not each.side]
        account = sandbox.accounts.find(own[-1].account)
        assert account is not None
        account.quota.set_used(100, RESET_SECONDS, sandbox.config.clock())
