from __future__ import annotations

import json
import ssl
import stat
import time
from itertools import pairwise
from pathlib import Path

import pytest

from addons import settings_layers
from addons.providers.codex.credentials import parse
from replay.bench.targets import (
    ACCOUNT,
    FAILOVER_ACCOUNTS,
    FAILOVER_MARKER,
    MITMPROXY_OPTIONS,
    TARGETS,
    Workshop,
    sign_in,
)

UPSTREAM = "http://127.0.0.1:1234"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("bench"))


def set_options(command: tuple[str, ...]) -> list[str]:
    return [word for before, word in pairwise(command) if before == "--set"]


@pytest.mark.parametrize(
    ("name", "accounts"),
    [("responses", (ACCOUNT,)), ("chat", (ACCOUNT,)), ("failover", FAILOVER_ACCOUNTS)],
)
def test_floway_reads_the_home(name: str, accounts: tuple[str, ...], workshop: Workshop):
    launch = workshop.launch(TARGETS[name], 4321, UPSTREAM)
    loaded = settings_layers.load({"home": launch.environment["FLOWAY_HOME"]})
    assert loaded.warnings == ()
    assert loaded.settings.upstreams == {"codex": UPSTREAM}
    ids = []
    for account in loaded.settings.accounts:
        assert account.auth_file is not None
        assert stat.S_IMODE(account.auth_file.stat().st_mode) == 0o600
        ids.append(json.loads(account.auth_file.read_text())["tokens"]["account_id"])
    assert tuple(ids) == accounts


def test_the_made_up_sign_in_is_one():
    credential = parse(json.dumps(sign_in(ACCOUNT)), source="made up")
    assert not credential.stale(time.time())
    assert credential.account_id == ACCOUNT


def test_only_failover_accounts_are_marked():
    assert all(FAILOVER_MARKER in account for account in FAILOVER_ACCOUNTS)
    assert FAILOVER_MARKER not in ACCOUNT


def test_every_proxy_has_the_same_options(workshop: Workshop):
    for target in TARGETS.values():
        if target.proxy == "none":
            continue
        options = set_options(workshop.launch(target, 4321, UPSTREAM).command)
        for name, value in MITMPROXY_OPTIONS.items():
            assert f"{name}={value}" in options
        assert "listen_port=4321" in options


def test_the_upstream_alone_is_no_proxy(workshop: Workshop):
    with pytest.raises(ValueError, match="'none' is not started"):
        workshop.launch(TARGETS["direct"], 1, UPSTREAM)


def test_a_runner_takes_the_place_of_mitmdump(workshop: Workshop):
    usual = workshop.launch(TARGETS["bare"], 1, UPSTREAM).command
    other = workshop.launch(TARGETS["bare"], 1, UPSTREAM, ["python", "-m", "x"]).command
    assert other == ("python", "-m", "x", *usual[1:])


def test_scripts_exist():
    for target in TARGETS.values():
        if target.proxy == "floway":
            assert target.script.is_file()
    assert TARGETS["failover"].script != TARGETS["responses"].script


def test_another_checkout(tmp_path: Path, workshop: Workshop):
    with pytest.raises(FileNotFoundError, match=r"floway\.py"):
        TARGETS["chat"].of(tmp_path)
    (tmp_path / "addons").mkdir()
    script = tmp_path / "addons" / "floway.py"
    script.write_text("addons = []\n")
    other = TARGETS["chat"].of(tmp_path)
    assert other.name == f"chat@{tmp_path.name}"
    launch = workshop.launch(other, 1, UPSTREAM)
    assert str(script) in launch.command
    assert launch.environment["PYTHONPATH"] == str(tmp_path)


def test_the_upstreams_certificate_is_that_of_the_authority(workshop: Workshop):
    """For 127.0.0.1, as the proxies name it, and trusted through mitmproxy's own authority."""
    context = ssl.create_default_context(
        cafile=str(workshop.folder / "mitmproxy" / "mitmproxy-ca-cert.pem")
    )
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(workshop.certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert waiting == []
