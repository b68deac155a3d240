"""Start and stop: in which order, what is free afterwards, and what is said when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import certifi
import pytest
from mitmproxy import options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig
from mitmproxy.master import Master

from addons import launch as launches
from addons.control import Opened
from addons.debug.witness import show_attempt
from addons.errors import FlowayError
from addons.gateway import Gateway
from addons.launch import Launch, Upstreams
from addons.providers.contract import Provider
from addons.settings import Settings
from addons.store.contract import Store
from addons.store.memory import MemoryStore
from tests.fakes import FakeProvider
from tests.stream.conftest import until


class FakeConfiguration:
    valid = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class FakeSandbox:
    url = "https://127.0.0.1:1"
    control_url = "http://127.0.0.1:2"

    def __init__(self, stage: Stage, ca_file: Path) -> None:
        self.stage = stage
        self.ca_file = ca_file
        self.ports = frozenset({1, 2})

    def sign_ins(self, provider: str) -> Sequence[tuple[str, dict[str, Any]]]:
        return []

    async def stop(self) -> None:
        await self.stage.step("sandbox stops")


class FakeStore(MemoryStore):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage

    async def close(self) -> None:
        await self.stage.step("store closes")


class StagedProvider(FakeProvider):
    stage: Stage

    async def start(self) -> None:
        await self.stage.step("provider starts")

    async def stop(self) -> None:
        await self.stage.step("provider stops")


class StagedControl:
    """The control API, as far as a launch sees it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.opened: list[Opened] = []

    async def open(self, opened: Opened) -> None:
        self.opened.append(opened)
        await self.stage.step("control opens")

    async def close(self) -> None:
        await self.stage.step("control closes")


class Stage:
    """A launch whose steps are written down.

    Attributes:
        fails: step -> what it raises.
        waits: step -> what it waits for.
        added: whether accounts were added with the command line.
    """

    def __init__(self, home: Path, *, controlled: bool = False, **settings: Any) -> None:
        self.steps: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.waits: dict[str, asyncio.Event] = {}
        self.announced: list[str] = []
        self.added = False
        home.mkdir(exist_ok=True)
        (home / "sandbox").mkdir(exist_ok=True)
        (home / "ca.pem").write_text("the sandbox's authority\n")
        self.home = home
        self.configuration: Any = FakeConfiguration(Settings(home=home, **settings))
        self.gateway = Gateway(show_attempt)
        self.control = StagedControl(self)
        self.launch = Launch(
            self.configuration,
            self.gateway,
            open_store=self.open_store,
            start_sandbox=self.start_sandbox,
            build_providers=self.build_providers,
            announce=self.announce,
            has_added=lambda _: self.added,
            control=self.control if controlled else None,
        )

    async def step(self, name: str) -> None:
        if name in self.waits:
            await self.waits[name].wait()
        self.steps.append(name)
        if name in self.fails:
            raise self.fails[name]

    async def open_store(self, settings: Settings) -> Store:
        await self.step("store opens")
        return FakeStore(self)

    async def start_sandbox(self, settings: Settings) -> Upstreams:
        await self.step("sandbox starts")
        return FakeSandbox(self, self.home / "ca.pem")

    def build_providers(
        self, settings: Settings, store: Store, sandbox: Upstreams | None
    ) -> Sequence[Provider]:
        self.steps.append(f"providers {'in the sandbox' if sandbox else 'with accounts'}")
        if "providers" in self.fails:
            raise self.fails["providers"]
        provider = StagedProvider()
        provider.stage = self
        return [provider]

    def announce(self, settings: Settings, address: str, sandbox: Upstreams | None) -> None:
        self.announced.append(address)

    async def start(self) -> None:
        task = self.launch.running()
        assert task is not None
        await task

    async def stop(self) -> None:
        await self.launch.done()


@pytest.fixture
async def master() -> AsyncIterator[Master]:
    opts = options.Options(listen_host="127.0.0.1", listen_port=0)
    master = Master(opts)
    server = proxyserver.Proxyserver()
    master.addons.add(core.Core(), server, next_layer.NextLayer(), tlsconfig.TlsConfig())
    run = asyncio.create_task(master.run())
    await until(server.listen_addrs, "mitmproxy does not listen")
    yield master
    master.shutdown()
    await run


@pytest.fixture
async def stage(master: Master, tmp_path: Path) -> Stage:
    return Stage(tmp_path / "home")


def port(master: Master) -> int:
    found: int = master.addons.get("proxyserver").listen_addrs()[0][1]
    return found


ACCOUNTS = [{"provider": "p", "label": "l", "api_key": "sk-x"}]


async def test_from_nothing_to_the_sandbox_and_back(master: Master, stage: Stage) -> None:
    await stage.start()
    assert stage.steps == [
        *("store opens", "sandbox starts", "providers in the sandbox", "provider starts")
    ]
    service = stage.gateway.service
    assert service is not None
    assert service.own_ports() == {1, 2, port(master)}
    assert service.routes.match(None, "GET", "/healthz", upgrade=False)
    assert stage.announced == [f"http://127.0.0.1:{port(master)}"]
    del stage.steps[:]
    await stage.stop()
    assert stage.steps == ["provider stops", "sandbox stops", "store closes"]
    assert stage.gateway.service is None


async def test_with_accounts_there_is_no_sandbox(master: Master, tmp_path: Path) -> None:
    stage = Stage(tmp_path / "home", accounts=ACCOUNTS)
    await stage.start()
    assert stage.steps == ["store opens", "providers with accounts", "provider starts"]
    assert stage.gateway.service is not None
    assert stage.gateway.service.own_ports() == {port(master)}
    await stage.stop()
    assert stage.steps[3:] == ["provider stops", "store closes"]


async def test_accounts_that_were_added_count_as_well(master: Master, stage: Stage) -> None:
    stage.added = True
    await stage.start()
    assert stage.steps == ["store opens", "providers with accounts", "provider starts"]
    await stage.stop()


async def test_a_sandbox_beside_accounts(master: Master, tmp_path: Path) -> None:
    stage = Stage(tmp_path / "home", accounts=ACCOUNTS, sandbox=True)
    await stage.start()
    assert "sandbox starts" in stage.steps
    await stage.stop()


async def test_the_control_api_is_open_while_the_providers_run(
    master: Master, tmp_path: Path
) -> None:
    stage = Stage(tmp_path / "home", controlled=True)
    await stage.start()
    assert stage.steps[-2:] == ["provider starts", "control opens"]
    (opened,) = stage.control.opened
    assert (opened.address, opened.sandbox) == (f"http://127.0.0.1:{port(master)}", True)
    assert "/healthz" in [route.path for route in opened.routes]
    await stage.stop()
    assert stage.steps[-4:-2] == ["control closes", "provider stops"]


async def test_without_it_floway_does_not_start(
    master: Master, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path / "home", controlled=True)
    stage.fails["control opens"] = FlowayError("others can read the token")
    await stage.start()
    assert stage.gateway.service is None
    assert "floway cannot start: others can read the token" in caplog.text
    await stage.stop()


async def test_settings_that_are_wrong_start_nothing(master: Master, stage: Stage) -> None:
    stage.configuration.valid = False
    assert stage.launch.running() is None
    await stage.stop()
    assert stage.steps == []


# --- trust ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
async def test_the_sandbox_is_trusted_while_it_is_there(
    master: Master, stage: Stage, tmp_path: Path, *, own: bool
) -> None:
    before = tmp_path / "own.pem"
    before.write_bytes(Path(certifi.where()).read_bytes() + b"\n# own\n")
    if own:
        master.options.update(ssl_verify_upstream_trusted_ca=str(before))
    for _ in range(2):
        await stage.start()
        bundle = Path(master.options.ssl_verify_upstream_trusted_ca).read_text()
        assert bundle.count("the sandbox's authority") == 1
        assert ("# own" in bundle) is own
        assert "BEGIN CERTIFICATE" in bundle
        await stage.stop()
        trusted = master.options.ssl_verify_upstream_trusted_ca
        assert trusted == (str(before) if own else None)


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "cleaned"),
    [
        ("store opens", []),
        ("sandbox starts", ["store closes"]),
        ("providers", ["sandbox stops", "store closes"]),
        ("provider starts", ["provider stops", "sandbox stops", "store closes"]),
    ],
)
async def test_a_start_that_fails_says_one_line_and_ends(
    master: Master, stage: Stage, step: str, cleaned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    stage.fails[step] = FlowayError("auth.json does not exist; sign in")
    await stage.start()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "floway cannot start: auth.json does not exist; sign in")
    ]
    assert not caplog.records[0].exc_info
    assert stage.gateway.service is None
    assert stage.announced == []
    await until(master.should_exit.is_set, "mitmproxy goes on")
    del stage.steps[:]
    await stage.stop()
    assert stage.steps == cleaned


async def test_an_error_without_words_has_a_name(
    master: Master, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.fails["store opens"] = TimeoutError()
    caplog.set_level(logging.DEBUG, "addons.launch")
    await stage.start()
    assert "floway cannot start: TimeoutError" in caplog.text
    assert caplog.records[-1].exc_info, "with the traceback for who wants to see more"
    await stage.stop()


async def test_a_stop_that_fails_stops_the_rest(
    master: Master, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start()
    stage.fails = {"provider stops": FlowayError("x"), "sandbox stops": FlowayError("y")}
    await stage.stop()
    assert stage.steps[-3:] == ["provider stops", "sandbox stops", "store closes"]
    assert caplog.text.count("could not stop cleanly") == 2


async def test_it_is_stopped_while_it_starts(master: Master, stage: Stage) -> None:
    stage.waits["sandbox starts"] = asyncio.Event()
    started = asyncio.ensure_future(stage.start())
    await until(lambda: stage.steps == ["store opens"], "does not start")
    await stage.stop()
    assert stage.steps == ["store opens", "store closes"]
    assert stage.gateway.service is None
    with pytest.raises(asyncio.CancelledError):
        await started


async def test_a_script_that_is_loaded_again_waits_for_the_one_before(
    master: Master, stage: Stage, tmp_path: Path
) -> None:
    """mitmproxy calls ``done`` and ``running`` one after the other and awaits neither."""
    await stage.start()
    stage.waits["sandbox stops"] = asyncio.Event()
    stage.launch.done()
    again = Stage(tmp_path / "again")
    again.steps = stage.steps
    task = again.launch.running()
    assert task is not None
    await asyncio.sleep(0.01)
    assert stage.steps[-1] == "provider stops"
    stage.waits["sandbox stops"].set()
    await task
    assert stage.steps[-6:-2] == [
        *("sandbox stops", "store closes", "store opens", "sandbox starts")
    ]
    await again.stop()
    await asyncio.sleep(0)
    assert not launches._leaving


# --- later ---------------------------------------------------------------------------------------


async def test_settings_that_change_later(
    master: Master, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.launch.configure({"floway_max_attempts"})
    assert stage.gateway.service is None
    await stage.start()
    assert stage.gateway.service is not None
    service = stage.gateway.service
    stage.launch.configure({"listen_host"})
    assert stage.gateway.service is service, "nothing of floway's has changed"
    changed = {"max_attempts": 9, "client_keys": ["long-enough"]}
    stage.configuration.settings = Settings(home=stage.home, **changed)
    stage.launch.configure({"floway_max_attempts"})
    assert stage.gateway.service is not None
    assert stage.gateway.service.settings.max_attempts == 9
    assert stage.gateway.service.keys.required
    assert not caplog.records
    stage.configuration.settings = Settings(home=stage.home, profile="codex@0.142.0", sandbox=True)
    stage.launch.configure({"floway_profile"})
    assert "profile, sandbox: changed when floway is started again" in caplog.text
    await stage.stop()


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([("127.0.0.1", 8080)], "127.0.0.1:8080"),
        ([("::", 8080, 0, 0), ("0.0.0.0", 8080)], "127.0.0.1:8080"),
        ([("::", 8080, 0, 0)], "[::1]:8080"),
        ([("::1", 8080, 0, 0)], "[::1]:8080"),
        ([("192.0.2.7", 1)], "192.0.2.7:1"),
        ([], ""),
    ],
)
async def test_the_address_that_is_announced(
    master: Master, monkeypatch: pytest.MonkeyPatch, addresses: list[Any], expected: str
) -> None:
    server = master.addons.get("proxyserver")
    monkeypatch.setattr(server, "listen_addrs", lambda: addresses)
    assert launches.own_address() == expected


async def test_without_a_listener_nothing_is_announced(
    master: Master, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master.addons.get("proxyserver"), "listen_addrs", list)
    await stage.start()
    assert stage.announced == []
    assert stage.gateway.service is not None
    await stage.stop()


async def test_mitmweb_s_own_port_is_one_of_ours(master: Master, stage: Stage) -> None:
    class WebAddon:
        name = "webaddon"

    master.options.add_option("web_port", int, 8081, "as mitmweb has it")
    master.addons.add(WebAddon())
    assert 8081 in stage.launch._ports()
