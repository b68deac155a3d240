"""A sandbox on free ports for each test, and clients that see the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.utilities import LocalProtocolError

from replay.sandbox import Account, Sandbox, SandboxConfig

RESPONSES = "/backend-api/codex/responses"


@pytest.fixture(scope="session")
def certificate_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate for the whole session."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
async def start(certificate_home: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts sandboxes with settings of their own; all are stopped after the test."""
    running: list[Sandbox] = []

    async def run(**settings: Any) -> Sandbox:
        settings = {"gate": "off", **settings}
        sandbox = Sandbox(SandboxConfig(home=certificate_home, **settings))
        await sandbox.start()
        running.append(sandbox)
        return sandbox

    yield run
    for sandbox in running:
        await sandbox.stop()


@pytest.fixture
async def sandbox(start: Callable[..., Any]) -> Sandbox:
    started: Sandbox = await start()
    return started


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP/1.1 client of the sandbox."""
    # verify=False: there is no TLS, and reading the system's authorities takes 30 ms.
    async with httpx.AsyncClient(base_url=sandbox.http_url, timeout=10, verify=False) as client:
        yield client


@pytest.fixture
async def http2(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP/2 client of the sandbox's TLS listener."""
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    async with httpx.AsyncClient(
        base_url=sandbox.https_url, http2=True, verify=context, timeout=10
    ) as client:
        yield client


@dataclass
class Api:
    """Requests of one account, as a client makes them."""

    sandbox: Sandbox
    client: httpx.AsyncClient
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.sandbox.accounts[0]

    def headers(self, account: Account | None = None, **more: str) -> dict[str, str]:
        account = account or self.account
        return {
            "authorization": f"Bearer {self.sandbox.accounts.access_token(account)}",
            "chatgpt-account-id": account.id,
            "session-id": "session-1",
            **more,
        }

    def body(self, said: str = "hello", /, **members: Any) -> dict[str, Any]:
        return {
            "model": "gpt-5.5",
            "instructions": "Be brief.",
            "input": [user(said)],
            "tools": [],
            "store": False,
            "stream": True,
            **members,
        }

    async def respond(
        self, body: dict[str, Any], account: Account | None = None, **headers: str
    ) -> httpx.Response:
        return await self.client.post(
            RESPONSES, json=body, headers=self.headers(account, **headers)
        )

    async def events(self, body: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        response = await self.respond(body, **more)
        assert response.status_code == 200, response.text
        return parse_sse(response.content)

    async def fault(self, fault: dict[str, Any], **rule: Any) -> None:
        answer = await self.client.post("/_sandbox/faults", json={"fault": fault, **rule})
        assert answer.status_code == 200, answer.text

    async def recorded(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.client.get("/_sandbox/requests", params=query)
        found: list[dict[str, Any]] = answer.json()["requests"]
        return found


@pytest.fixture
async def api(sandbox: Sandbox, http: httpx.AsyncClient) -> Api:
    return Api(sandbox, http)


@pytest.fixture
async def api2(sandbox: Sandbox, http2: httpx.AsyncClient) -> Api:
    return Api(sandbox, http2)


@pytest.fixture(params=["api", "api2"])
def each(request: pytest.FixtureRequest) -> Api:
    """The test is run over HTTP/1.1 and over HTTP/2."""
    found: Api = request.getfixturevalue(request.param)
    return found


def user(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


def parse_sse(data: bytes) -> list[dict[str, Any]]:
    """Events of a body, with their ``event:`` names checked."""
    found = []
    for block in data.decode().split("\n\n"):
        if not block:
            continue
        head, _, rest = block.partition("\n")
        event: dict[str, Any] = json.loads(rest.removeprefix("data: "))
        assert head == f"event: {event['type']}"
        found.append(event)
    return found


@pytest.fixture
def sse() -> Callable[[bytes], list[dict[str, Any]]]:
    return parse_sse


@pytest.fixture
def message() -> Callable[[str], dict[str, Any]]:
    """Makes a user message."""
    return user


class SocketClient:
    """A WebSocket client over wsproto, with the bare transport in reach."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.connection: WSConnection | Connection = WSConnection(ConnectionType.CLIENT)
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.extensions: list[str] = []
        self.refusal = b""
        self.close_code: int | None = None
        self.pings = 0
        self._text = ""

    async def open(self, target: str, headers: list[tuple[bytes, bytes]], *, deflate: bool) -> None:
        extensions: list[Extension] = [PerMessageDeflate()] if deflate else []
        upgrade = Request(
            host="sandbox", target=target, extra_headers=headers, extensions=extensions
        )
        self.writer.write(self.connection.send(upgrade))
        while not self.status:
            await self._read()

    async def open_raw(self, head: bytes) -> None:
        """Upgrade with exactly this request; wsproto would add headers of its own."""
        self.writer.write(head)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        self.status = int(answer.split(b" ")[1])
        self.connection = Connection(ConnectionType.CLIENT)

    async def _read(self) -> list[Any]:
        data = await self.reader.read(65536)
        self.connection.receive_data(data or None)
        events = list(self.connection.events())
        for event in events:
            match event:
                case AcceptConnection():
                    self.status, self.headers = 101, list(event.extra_headers)
                    self.extensions = [extension.name for extension in event.extensions]
                case RejectConnection():
                    self.status, self.headers = event.status_code, list(event.headers)
                case RejectData():
                    self.refusal += event.data
                case CloseConnection():
                    self.close_code = int(event.code)
                    with contextlib.suppress(LocalProtocolError):  # we closed first
                        self.writer.write(self.connection.send(event.response()))
                case Ping():
                    self.pings += 1
        return events

    async def send(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.writer.write(self.connection.send(TextMessage(data=text)))
        await self.writer.drain()

    async def send_bytes(self, data: bytes) -> None:
        self.writer.write(self.connection.send(BytesMessage(data=data)))
        await self.writer.drain()

    async def frames(self) -> list[dict[str, Any]]:
        """Messages up to the end of an answer, an error, or the connection's end."""
        found: list[dict[str, Any]] = []
        ends = ("response.completed", "response.failed", "error")
        while not (found and found[-1]["type"] in ends) and self.close_code is None:
            for event in await self._read():
                if isinstance(event, TextMessage):
                    self._text += event.data
                    if event.message_finished:
                        found.append(json.loads(self._text))
                        self._text = ""
        return found

    async def ask(self, **members: Any) -> list[dict[str, Any]]:
        await self.send({"type": "response.create", **members})
        return await self.frames()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # a test may have broken it off
            await self.writer.wait_closed()


@pytest.fixture
async def connect(api: Api) -> AsyncIterator[Callable[..., Any]]:
    """Opens WebSockets; all are closed after the test."""
    clients: list[SocketClient] = []

    async def run(
        *,
        sandbox: Sandbox | None = None,
        target: str = RESPONSES,
        headers: dict[str, str] | None = None,
        account: Account | None = None,
        tls: bool = False,
        deflate: bool = False,
        raw: bytes = b"",
    ) -> SocketClient:
        chosen = sandbox or api.sandbox
        url = chosen.https_url if tls else chosen.http_url
        context = ssl.create_default_context(cafile=str(chosen.ca_file)) if tls else None
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        client = SocketClient(reader, writer)
        clients.append(client)
        if raw:
            await client.open_raw(raw)
            return client
        if headers is None:
            account = account or chosen.accounts[0]
            headers = {
                "authorization": f"Bearer {chosen.accounts.access_token(account)}",
                "chatgpt-account-id": account.id,
            }
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await client.open(target, pairs, deflate=deflate)
        return client

    yield run
    for client in clients:
        await client.close()
