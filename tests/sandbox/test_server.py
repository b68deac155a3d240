"""Starting, serving and stopping."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from replay.sandbox import Sandbox, SandboxConfig, serve
from replay.sandbox.faults import parse_rule


async def test_stop_ends_connections_and_handlers(sandbox: Sandbox, connect: Any) -> None:
    rule = {"fault": {"kind": "delay", "delay": 3000}, "match": {"transport": "http"}}
    sandbox.services.faults.add(parse_rule(rule))
    socket = await connect()
    token = sandbox.accounts.access_token(sandbox.accounts[0])
    async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False) as client:
        waiting = asyncio.ensure_future(
            client.get("/backend-api/wham/usage", headers={"authorization": f"Bearer {token}"})
        )
        registry = sandbox._registry
        assert registry is not None
        async with asyncio.timeout(5):
            while len(registry.tasks) < 2:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0)
        await sandbox.stop()
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await waiting
    assert not registry.tasks
    assert not registry.connections
    assert await socket.reader.read() == b""
    await sandbox.stop()


async def test_stop_does_not_wait_for_unfinished_handshakes(sandbox: Sandbox) -> None:
    port = int(sandbox.https_url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.01)  # accepted, and no hello from the client
    async with asyncio.timeout(5):
        await sandbox.stop()
    writer.close()


async def test_it_can_be_started_again_but_not_twice(certificate_home: Path) -> None:
    sandbox = Sandbox(SandboxConfig(home=certificate_home, gate="off", tls_port=None))
    await sandbox.start()
    with pytest.raises(RuntimeError, match="runs already"):
        await sandbox.start()
    await sandbox.stop()
    async with sandbox, httpx.AsyncClient(base_url=sandbox.http_url, verify=False) as client:
        assert (await client.get("/_sandbox/")).status_code == 200


async def test_a_taken_port_leaves_nothing_open(sandbox: Sandbox, certificate_home: Path) -> None:
    taken = int(sandbox.https_url.rpartition(":")[2])
    other = Sandbox(SandboxConfig(home=certificate_home, gate="off", tls_port=taken))
    with pytest.raises(OSError, match="address already in use"):
        await other.start()
    port = int(other.http_url.rpartition(":")[2])
    with pytest.raises(OSError, match=str(port)):
        await asyncio.open_connection("127.0.0.1", port)


async def test_serve_runs_until_it_is_cancelled(certificate_home: Path) -> None:
    running: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
    config = SandboxConfig(home=certificate_home, gate="off")
    task = asyncio.create_task(serve(config, ready=running.set_result))
    sandbox = await running
    async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False) as client:
        assert (await client.get("/_sandbox/")).status_code == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sandbox._registry is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accounts": 0}, "accounts"),
        ({"gate": "codex@0.0.0"}, "there is no profile codex@0.0.0"),
    ],
)
def test_a_wrong_configuration_is_named(
    certificate_home: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Sandbox(SandboxConfig(home=certificate_home, **settings))


async def test_alpn(sandbox: Sandbox) -> None:
    async def negotiated(*offers: str) -> str | None:
        context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        if offers:
            context.set_alpn_protocols(list(offers))
        port = int(sandbox.https_url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        found: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        writer.close()
        return found

    assert await negotiated("h2", "http/1.1") == "h2"
    assert await negotiated("http/1.1") == "http/1.1"
    assert await negotiated() is None


async def test_an_eager_task_factory_changes_nothing(start: Callable[..., Any], api: Any) -> None:
    # mitmproxy's event loop has one.
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    sandbox: Sandbox = await start()
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    headers = api.headers()
    for url in (sandbox.http_url, sandbox.https_url):
        async with httpx.AsyncClient(base_url=url, http2=True, verify=context) as client:
            for _ in range(3):
                answer = await client.post(
                    "/backend-api/codex/responses", json=api.body(), headers=headers
                )
                assert "response.completed" in answer.text
