"""A run of floway's beside one of Cursor's official SDK, as the sandbox sees both."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from addons.providers.cursor.wire.channel import Channels
from addons.providers.cursor.wire.client_identity import ClientIdentity
from addons.providers.cursor.wire.connections import Connections
from addons.providers.cursor.wire.endpoint import Endpoint, Hosts
from addons.providers.cursor.wire.http_clients import HttpClients
from replay.sandbox import Sandbox
from tests.clients.test_cursor_sdk import Sdk, python, sandbox  # noqa: F401  # fixtures

pytestmark = pytest.mark.clients

type Json = dict[str, Any]

ITS_OWN = {"authorization", "x-blob-encryption-key", "x-original-request-id", "x-request-id"}
"""Values that differ from run to run."""
OF_THE_CONNECTION = {"host", "connection", "transfer-encoding", "content-length"}


async def floway_s_run(on: Sandbox, over: Literal["https", "http"]) -> None:
    endpoint = Endpoint.parse(on.https_url if over == "https" else on.http_url)
    connections, clients = Connections(ca_file=on.ca_file), HttpClients(ca_file=on.ca_file)
    channel = await Channels(connections, clients).open(
        Hosts(endpoint, endpoint),
        ClientIdentity().opening(
            access_token=on.cursor_accounts.access_token(on.cursor_accounts[0]),
            request_id=str(uuid.uuid4()),
            blob_key="0" * 64,
        ),
        lane="account",
    )
    await channel.send(b"\x3a\x00")  # no run request: the sandbox says so, and the run is over
    with pytest.raises(Exception, match="state is required"):
        await anext(channel)
    await channel.close()
    connections.close()
    await clients.close()


async def seen(on: Sandbox, path: str) -> list[Json]:
    async with httpx.AsyncClient(base_url=on.http_url) as client:
        requests = (await client.get("/_sandbox/requests")).json()["requests"]
    return [each for each in requests if each["path"] == path]


def headers(request: Json) -> list[tuple[str, str]]:
    return [
        (name.lower(), "…" if name.lower() in ITS_OWN else value)
        for name, value in request["headers"]
        if name.lower() not in OF_THE_CONNECTION
    ]


@pytest.mark.parametrize(
    ("over", "path"),
    [
        ("https", "/agent.v1.AgentService/Run"),
        ("http", "/agent.v1.AgentService/RunSSE"),
    ],
)
async def test_a_run_says_what_the_official_one_says_in_the_same_order(
    python: Path,  # noqa: F811
    sandbox: Sandbox,  # noqa: F811
    tmp_path: Path,
    over: Literal["https", "http"],
    path: str,
) -> None:
    await Sdk.at(python, sandbox, tmp_path, tls=over == "https").talk("Hello.")
    await floway_s_run(sandbox, over)
    official, ours = await seen(sandbox, path)
    assert headers(ours) == headers(official)
    names = [[name for name, _ in each["pseudo_headers"]] for each in (ours, official)]
    assert names[0] == names[1]
    assert ours["http_version"] == official["http_version"]
