"""What tests of several rooms share. Property tests check results, not time: a busy machine must
not fail them. In CI they try the same examples each time, so that a change fails for what it
changes; elsewhere they go on looking, a little in each run, or much:
``scripts/test --hypothesis-profile=thorough``. A property that names its own number keeps it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.fakes import FakeProvider
    from tests.proxies import Proxy
    from tests.stream.upstreams import Upstream

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.register_profile("brief", deadline=None, max_examples=40)
settings.load_profile("repeatable" if os.environ.get("CI") else "brief")

CLIENTS = Path(__file__).with_name("clients")
"""Tests with real clients; all have the mark."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without them, the clients' SDKs need not be imported in each worker."""
    left_out = collection_path == CLIENTS and "not clients" in config.option.markexpr
    return True if left_out else None


def pytest_collection_finish() -> None:
    """What collecting made is there to the end. The garbage collector leaves it alone from here on:
    going through it takes some 0.3 s, in each full collection and each test that asks for one."""
    gc.collect()
    gc.freeze()


CHANGED_BY_FLOWAY = (
    ("mitmproxy.addonmanager", "AddonManager"),
    ("mitmproxy.addons.asgiapp", "ASGIApp"),
    ("mitmproxy.addons.maplocal", "MapLocal"),
    ("mitmproxy.hooks", "Hook"),
    ("mitmproxy.http", "Headers"),
    ("mitmproxy.http", "MessageData"),
    ("mitmproxy.log", "LegacyLogEvents"),
    ("mitmproxy.optmanager", "_Option"),
    ("mitmproxy.proxy.server", "ConnectionHandler"),
    ("mitmproxy.proxy.layers.http", "HttpLayer"),
    ("mitmproxy.proxy.layers.http", "Http1Server"),
    ("mitmproxy.proxy.layers.http", "Http1Client"),
    ("mitmproxy.proxy.layers.websocket", "Fragmentizer"),
)
"""Classes of which a gateway replaces parts while it is loaded."""


@pytest.fixture(scope="module", autouse=True)
def unchanged_mitmproxy() -> Iterator[None]:
    """What a module leaves changed in mitmproxy fails here, and is put back for the next one."""
    kinds = [
        getattr(sys.modules[module], name)
        for module, name in CHANGED_BY_FLOWAY
        if module in sys.modules
    ]
    before = [(kind, dict(vars(kind))) for kind in kinds]
    yield
    changed = [
        (kind, name, member)
        for kind, members in before
        for name, member in members.items()
        if vars(kind).get(name) is not member
    ]
    for kind, name, member in changed:
        setattr(kind, name, member)
    assert not [f"{kind.__name__}.{name}" for kind, name, _ in changed]


@pytest.fixture(scope="session")
def proxy_confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitmproxy's configuration directory, with a certificate authority."""
    from tests.stream.conftest import write_certificate

    path = tmp_path_factory.mktemp("confdir")
    write_certificate(path / "mitmproxy-ca.pem", authority=True)
    return path


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted upstream over plain HTTP/1.1; at the end no connection to it may be open."""
    from tests.stream.upstreams import Upstream

    upstream = Upstream("h1", None)
    await upstream.start()
    yield upstream
    try:
        await upstream.all_closed()
        assert not upstream.failures, upstream.failures
    finally:
        await upstream.stop()


@pytest.fixture
def provider() -> FakeProvider:
    from tests.fakes import FakeProvider

    return FakeProvider()


@pytest.fixture
async def proxy(
    proxy_confdir: Path, provider: FakeProvider, upstream: Upstream
) -> AsyncIterator[Proxy]:
    """mitmproxy with the gateway; plans go to ``upstream``."""
    from tests.proxies import Proxy

    async with Proxy(proxy_confdir, provider) as proxy:
        proxy.aim(upstream)
        yield proxy
