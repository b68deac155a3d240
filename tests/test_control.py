"""The control API's edge with real sockets: what is answered, what is refused, what nobody sees."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addonmanager import AddonManager
from mitmproxy.test import tflow
from prometheus_client import CollectorRegistry

from addons import control as edge
from addons.control import Control, Opened
from addons.measuring import Measuring
from addons.operate import METRICS_PATH, PREFIX
from addons.operate.errors import ControlError
from addons.operate.metrics import Metrics
from addons.operate.observer import Observer
from addons.operate.plane import Plane
from addons.operate.running import FILE_NAME as RUNNING
from addons.operate.token import FILE_NAME, kept_or_made
from addons.settings import Settings
from addons.store.memory import MemoryStore
from tests.accounts.authorities import PROVIDER, Clock
from tests.fakes import FakeProvider, generated
from tests.operate.places import Signing
from tests.proxies import SSE, STREAM, Proxy, ask, expected_errors, judge_by_status, said
from tests.stream.behaviours import refuse, succeed
from tests.stream.conftest import until
from tests.stream.sockets import End, accept, dial
from tests.stream.upstreams import Upstream

errors = pytest.fixture(autouse=True)(expected_errors)

HEALTH = f"{PREFIX}/health"
JSON = {"content-type": "application/json"}


class Served:
    """A proxy whose control API is open.

    Attributes:
        token: header that shows it.
    """

    def __init__(self, proxy: Proxy, control: Control, observer: Observer, home: Path) -> None:
        self.proxy = proxy
        self.control = control
        self.observer = observer
        self.home = home
        self.token = {"authorization": f"Bearer {kept_or_made(home).value}"}

    @property
    def registry(self) -> CollectorRegistry:
        return self.observer.metrics.registry

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        told = await ask(self.proxy, path, method="GET", **{**self.token, **headers})
        return told.status, json.loads(told.body)

    async def raw(self, request: str) -> bytes:
        """What comes back for these bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        try:
            writer.write(request.replace("\n", "\r\n").encode())
            async with asyncio.timeout(5):
                return await reader.readuntil(b"\r\n\r\n") + await reader.read(65536)
        finally:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def serving(confdir: Path, home: Path, provider: FakeProvider) -> AsyncIterator[Served]:
    settings = Settings(home=home, credential_store="file", control_hosts=["floway.test"])
    observer = Observer(Metrics())
    control = Control(lambda: settings, {PROVIDER: lambda _: Signing(Clock())}, observer)
    async with Proxy(confdir, provider, addons=[control]) as proxy, MemoryStore() as store:
        proxy.master.addons.add(Measuring(observer))
        address = f"http://127.0.0.1:{proxy.port}"
        await control.open(Opened(store, [provider], [], address, sandbox=True))
        try:
            yield Served(proxy, control, observer, home)
        finally:
            await control.close()


@pytest.fixture
async def served(
    proxy_confdir: Path, tmp_path: Path, provider: FakeProvider, upstream: Upstream
) -> AsyncIterator[Served]:
    async with serving(proxy_confdir, tmp_path / "home", provider) as served:
        served.proxy.aim(upstream)
        yield served


# --- answers -------------------------------------------------------------------------------------


async def test_it_answers_on_the_port_of_the_clients(served: Served) -> None:
    status, health = await served.get(HEALTH)
    assert (status, health["serving"]) == (200, "sandbox")
    assert health["address"] == f"http://127.0.0.1:{served.proxy.port}"
    status, told = await served.get(f"{PREFIX}/nothing")
    assert (status, told["error"]["code"]) == (404, "unknown_path")
    told = await ask(served.proxy, METRICS_PATH, method="GET")
    assert told.body.startswith(b"# HELP floway_")
    assert served.proxy.provider.calls == []


async def test_bodies_and_queries_come_through(served: Served) -> None:
    body = json.dumps({"provider": PROVIDER, "label": "a", "api_key": "sk-topsecret"}).encode()
    told = await ask(served.proxy, f"{PREFIX}/accounts", body, **JSON, **served.token)
    assert told.status == 201
    status, cleared = await served.get(f"{PREFIX}/cooldowns?account=%61")
    assert (status, cleared) == (200, {"cooldowns": []})
    status, view = await served.get(f"{PREFIX}/accounts/{PROVIDER}%3Aa")
    assert (status, view["label"]) == (200, "a")


async def test_other_paths_are_the_gateway_s(served: Served, upstream: Upstream) -> None:
    for path in ("/floway/api/v2/health", "/floway", "/metrics/x", PREFIX):
        status, told = await served.get(path)
        assert (status, told["error"]["code"]) == (404, "unknown_path")
    upstream.answers(succeed(STREAM, headers=SSE))
    assert (await ask(served.proxy, body=said())).status == 200


async def test_the_flow_holds_no_secret(served: Served) -> None:
    body = json.dumps({"provider": PROVIDER, "label": "a", "api_key": "sk-topsecret"}).encode()
    await ask(served.proxy, f"{PREFIX}/accounts", body, **JSON, **served.token, cookie="topsecret")
    (flow,) = served.proxy.noting.flows
    state = repr(flow.get_state())
    assert flow.response is not None
    assert flow.response.status_code == 201
    assert "topsecret" not in state
    assert served.token["authorization"] not in state


# --- who is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 401, "token_needed"),
        ({"authorization": "Bearer wrong"}, 401, "token_needed"),
        ({"origin": "https://evil.test"}, 403, "foreign_origin"),
    ],
)
async def test_the_gate(served: Served, headers: dict[str, str], status: int, code: str) -> None:
    found, told = await served.get(HEALTH, **headers)
    assert found == status
    assert told.get("error", {}).get("code", "") == code


@pytest.mark.parametrize(("host", "status"), [("evil.test", 421), ("floway.test:80", 200)])
async def test_the_host_s_name(served: Served, host: str, status: int) -> None:
    bearer = served.token["authorization"]
    headers = f"Host: {host}\nAuthorization: {bearer}\nConnection: close\n\n"
    assert (await served.raw(f"GET {HEALTH} HTTP/1.1\n{headers}")).startswith(
        f"HTTP/1.1 {status}".encode()
    )


@pytest.mark.parametrize("path", [HEALTH, METRICS_PATH, f"{PREFIX}/nothing"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_nobody_comes_through_the_forward_proxy(served: Served, path: str, name: str) -> None:
    origin, bearer = f"{name}:{served.proxy.port}", served.token["authorization"]
    headers = f"Host: {origin}\nAuthorization: {bearer}\nConnection: close\n\n"
    absolute = await served.raw(f"GET http://{origin}{path} HTTP/1.1\n{headers}")
    assert absolute.startswith(b"HTTP/1.1 403")
    assert b"through_the_proxy" in absolute
    reader, writer = await asyncio.open_connection("127.0.0.1", served.proxy.port)
    writer.write(f"CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n".encode())
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(f"GET {path} HTTP/1.1\n{headers}".replace("\n", "\r\n").encode())
        told = await reader.read(65536)
    writer.close()
    assert told.startswith(b"HTTP/1.1 403")
    assert b"through_the_proxy" in told


async def test_http2_is_refused(served: Served) -> None:
    """There a request that came through the proxy looks like any other."""
    flow = tflow.tflow()
    flow.live = True
    flow.client_conn.sockname = ("127.0.0.1", served.proxy.port)
    flow.request.http_version, flow.request.path = "HTTP/2.0", HEALTH
    flow.request.host, flow.request.port = "127.0.0.1", served.proxy.port
    served.control.requestheaders(flow)
    assert flow.response is not None
    assert flow.response.status_code == 505
    assert flow.response.json()["error"]["code"] == "http1_needed"


async def test_a_body_has_its_limit(served: Served) -> None:
    body = b"x" * (edge.MAX_BODY + 1)
    told = await ask(served.proxy, f"{PREFIX}/accounts", body, **served.token)
    assert told.status == 413
    assert json.loads(told.body)["error"]["code"] == "request_too_large"


async def test_before_it_is_open_and_after_it_is_closed(served: Served) -> None:
    await served.control.close()
    status, told = await served.get(HEALTH)
    assert (status, told["error"]["code"]) == (503, "starting")


async def test_what_goes_wrong_is_told_and_logged(
    served: Served, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    def broken(_: Plane) -> None:
        raise RuntimeError("topsecret")

    monkeypatch.setattr(Plane, "health", broken)
    errors.append(f"GET {HEALTH} failed")
    status, told = await served.get(HEALTH)
    assert (status, told["error"]["code"]) == (500, "internal")
    assert "topsecret" not in json.dumps(told)


# --- start and stop ------------------------------------------------------------------------------


async def test_the_token_is_shown_once(
    proxy_confdir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a terminal; where it is kept is said in any case."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    home, shown = tmp_path / "home", []
    for _ in range(2):
        async with serving(proxy_confdir, home, FakeProvider()):
            assert (home / RUNNING).exists()
        assert not (home / RUNNING).exists()
        shown.append(capsys.readouterr().out.count(kept_or_made(home).value))
    assert shown == [1, 0]


async def test_nothing_is_written_over_the_console_s_screen(
    proxy_confdir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    find = AddonManager.get
    monkeypatch.setattr(
        AddonManager, "get", lambda self, name: name == "consoleaddon" or find(self, name)
    )
    async with serving(proxy_confdir, tmp_path, FakeProvider()):
        pass
    assert capsys.readouterr().out == ""


async def test_a_token_that_others_can_read_keeps_it_from_starting(
    proxy_confdir: Path, tmp_path: Path
) -> None:
    kept_or_made(tmp_path).file.chmod(0o644)
    with pytest.raises(ControlError, match=f"chmod 600 .*{FILE_NAME}"):
        async with serving(proxy_confdir, tmp_path, FakeProvider()):
            raise AssertionError


# --- what is measured ----------------------------------------------------------------------------


async def test_a_websocket_is_open_until_its_end(served: Served, upstream: Upstream) -> None:
    def count(name: str, **labels: str) -> float | None:
        return served.registry.get_sample_value(f"floway_{name}", {"provider": "fake", **labels})

    accepted: asyncio.Queue[End] = asyncio.Queue()
    upstream.answers(accept(accepted))
    head, client = await dial(served.proxy.port)
    assert head.startswith(b"HTTP/1.1 101 ")
    server = await asyncio.wait_for(accepted.get(), 5)
    await until(lambda: count("websocket_connections") == 1, "it is not counted")
    client.abort()
    await until(lambda: count("websocket_connections") == 0, "it is still counted")
    server.abort()
    labels = {"protocol": "responses", "kind": "model_socket", "outcome": "client_left"}
    assert count("requests_total", **labels) == 1


async def test_an_answer_that_the_provider_makes_is_not_timed_as_floway_s(
    served: Served,
) -> None:
    served.proxy.provider.plans = [generated(b"one ", b"two")]
    assert (await ask(served.proxy, "/v1/models", method="GET")).status == 200

    def sample(name: str, **labels: str) -> float | None:
        return served.registry.get_sample_value(f"floway_{name}", labels)

    labels = {"provider": "fake", "outcome": "completed"}
    await until(lambda: sample("request_seconds_count", **labels) == 1, "it is not counted")
    for stage in ("plan", "hold"):
        assert sample("added_seconds_count", stage=stage) == 0
    assert sample("open_streams", provider="fake") == 0


async def test_requests_are_counted_and_timed(served: Served, upstream: Upstream) -> None:
    served.proxy.provider.verdicts = [judge_by_status]
    upstream.answers(refuse(429, b"{}"), succeed(STREAM, headers=SSE))
    assert (await ask(served.proxy, body=said())).status == 200
    labels = {"provider": "fake", "outcome": "completed"}

    def sample(name: str, **labels: str) -> float | None:
        return served.registry.get_sample_value(f"floway_{name}", labels)

    await until(lambda: sample("request_seconds_count", **labels) == 1, "it is not counted")
    assert sample("failovers_total", provider="fake", reason="limit") == 1
    assert sample("open_requests", provider="fake") == 0
    assert sample("open_streams", provider="fake") == 0
    for stage in ("plan", "hold"):
        assert sample("added_seconds_count", stage=stage) == 1
        assert 0 <= (sample("added_seconds_sum", stage=stage) or 0) < 5
