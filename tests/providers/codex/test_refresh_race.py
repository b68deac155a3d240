"""Processes that share a home race for one refresh, at the sandbox: one is made, none is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from addons.accounts.credentials.document import Document
from addons.accounts.credentials.vault import Vault
from addons.providers.codex.authority import CodexAuthority
from addons.settings import Settings
from tests.floway_process import ROOT, clean_environment
from tests.providers.codex import sign_ins

RACER = """
import asyncio, sys
from addons.accounts.credentials.store import Credentials
from addons.accounts.refresh import Refresher
from addons.accounts.states import States
from addons.providers.codex.added import vault_of
from addons.providers.codex.authority import CodexAuthority
from addons.settings import Settings
from addons.store.sqlite import SqliteStore

async def main(refused):
    settings = Settings()
    async with await SqliteStore.open(settings.database) as store:
        states = States(store)
        authority = CodexAuthority(settings)
        credentials = Credentials(vault_of(settings), states)
        refresher = Refresher(authority, credentials, states, store)
        print("ready", flush=True)
        sys.stdin.readline()
        calls = [refresher.usable("codex.work", refused=refused, reason="refused") for _ in "four"]
        documents = await asyncio.gather(*calls)
        await authority.close()
        tokens = {authority.describe(document.secret).token for document in documents}
        print(*tokens, flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
async def test_one_refresh_and_none_lost(tmp_path: Path) -> None:
    server = await sign_ins.sandbox(tmp_path / "sandbox")
    account = server.accounts[0]
    home = tmp_path / "state"
    settings = Settings(home=home, credential_store="file")
    authority = CodexAuthority(settings)
    secret = server.accounts.auth_json(account)
    described = authority.describe(secret)
    vault = Vault(settings.credentials, "file")
    vault.put(Document("codex", "work", described.handle, secret), now=1.0)
    environment = clean_environment(
        tmp_path / "user",
        FLOWAY_HOME=str(home),
        FLOWAY_ISSUERS=f"codex={server.http_url}",
        FLOWAY_CREDENTIAL_STORE="file",
        PYTHONPATH=str(ROOT),
    )
    refused = described.token
    racers = [
        subprocess.Popen(  # noqa: ASYNC220 - the loop has nothing else to do yet
            [sys.executable, "-c", RACER, refused],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert await asyncio.to_thread(racer.stdout.readline) == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        told = [await asyncio.to_thread(racer.communicate, timeout=60) for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert [racer.returncode for racer in racers] == [0, 0]
    tokens = {line for out, _ in told for line in out.split()}
    kept = vault.read("codex.work")
    assert kept is not None
    assert tokens == {authority.describe(kept.secret).token}
    assert refused not in tokens
    assert account.refreshes == 1
    assert kept.secret["tokens"]["refresh_token"] == account.refresh_token
    await server.stop()
