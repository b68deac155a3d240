"""The addon between mitmproxy's options and the settings."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import connection, exceptions
from mitmproxy.addons import dumper, termlog
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import mode_specs
from mitmproxy.test import taddons

from addons.configuration import MITMPROXY_DEFAULTS, Configuration
from addons.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in list(os.environ):
        if variable.upper().startswith("FLOWAY_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
async def context() -> Iterator[taddons.context]:
    with taddons.context(Proxyserver(), dumper.Dumper()) as made:
        yield made


async def started(context: taddons.context, *options: str) -> Configuration:
    """As mitmproxy starts it: options that were typed wait until the script registers them."""
    configuration = Configuration()
    context.options.set(*options, defer=True)
    context.master.addons.add(configuration)
    configuration.configure(context.options.keys())
    return configuration


async def test_every_setting_is_an_option_with_its_description(context: taddons.context) -> None:
    await started(context)
    for name, field in Settings.model_fields.items():
        option = context.options._options[f"floway_{name}"]
        assert option.help.startswith(str(field.description).split("\n")[0][:40])


async def test_options_that_were_typed_reach_the_settings(context: taddons.context) -> None:
    configuration = await started(
        context,
        "floway_max_attempts=2",
        "floway_client_keys=abcdefgh1",
        "floway_client_keys=abcdefgh2",
        "floway_upstreams=one=https://host.example",
    )
    assert configuration.valid
    assert configuration.settings.max_attempts == 2
    assert len(configuration.settings.client_keys) == 2
    assert configuration.settings.upstreams == {"one": "https://host.example"}
    assert configuration.loaded.sources["max_attempts"] == "--set floway_max_attempts"
    assert configuration.loaded.sources["hold_bytes"] == "default"


@pytest.mark.parametrize(
    ("typed", "result"),
    [("", True), ("=true", True), ("=no", False), (None, True)],
    ids=["bare", "true", "no", "not typed"],
)
async def test_a_switch_wins_over_the_layers_below_both_ways(
    context: taddons.context, monkeypatch: pytest.MonkeyPatch, typed: str | None, result: bool
) -> None:
    monkeypatch.setenv("FLOWAY_SANDBOX", "1")
    options = [] if typed is None else [f"floway_sandbox{typed}"]
    assert (await started(context, *options)).settings.sandbox is result


async def test_an_empty_text_wins_over_the_layers_below(
    context: taddons.context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWAY_PROFILE", "client/1")
    assert (await started(context, "floway_profile=")).settings.profile == ""


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("floway_max_attempts=0", "max_attempts = '0' is not allowed: it must be at least 1"),
        ("floway_max_attempt=1", "did you mean floway_max_attempts?"),
        ("listen_host=0.0.0.0", "client_keys is empty"),
        ("mode=regular@10.0.0.1:8080", "listening on 10.0.0.1 lets other machines in"),
    ],
)
async def test_a_mistake_at_start_up_is_an_error_in_the_log(
    context: taddons.context, caplog: pytest.LogCaptureFixture, option: str, text: str
) -> None:
    """mitmproxy exits when an error is logged before it runs."""
    configuration = await started(context, option)
    assert not configuration.valid
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert text in record.message
    assert record.exc_info is None


async def test_a_mistake_later_is_refused_and_the_old_value_stays(
    context: taddons.context,
) -> None:
    configuration = await started(context, "floway_max_attempts=2")
    await configuration.running()
    with pytest.raises(exceptions.OptionsError, match="at least 1"):
        context.options.update(floway_max_attempts="0")
    assert context.options.floway_max_attempts == "2"
    assert configuration.settings.max_attempts == 2
    context.options.update(floway_max_attempts="3")
    assert configuration.settings.max_attempts == 3


async def test_keys_cannot_be_taken_away_while_others_may_connect(
    context: taddons.context,
) -> None:
    configuration = await started(context, "listen_host=0.0.0.0", "floway_client_keys=abcdefgh1")
    assert configuration.valid
    configuration._running = True  # without a bound listener
    with pytest.raises(exceptions.OptionsError, match="client_keys is empty"):
        context.options.update(floway_client_keys=[])


async def test_mitmproxy_s_defaults_are_changed_and_its_user_s_choices_are_not(
    context: taddons.context,
) -> None:
    await started(context, "tcp_timeout=77")
    for name, value in MITMPROXY_DEFAULTS.items():
        assert getattr(context.options, name) == (77 if name == "tcp_timeout" else value)


async def test_warnings_are_said_once(
    context: taddons.context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FLOWAY_SANDBX", "1")
    await started(context)
    context.options.update(floway_max_attempts="3")
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [
        "floway: ignored: FLOWAY_SANDBX is not a setting; did you mean FLOWAY_SANDBOX?"
    ]


@pytest.mark.parametrize(
    ("keys", "refused"), [([], True), (["floway_client_keys=abcdefgh1"], False)]
)
@pytest.mark.parametrize("peer", ["10.0.0.9", "::ffff:10.0.0.9", "127.0.0.1", "::1"])
async def test_without_keys_other_machines_are_refused(
    context: taddons.context, keys: list[str], refused: bool, peer: str
) -> None:
    configuration = await started(context, *keys)
    client = connection.Client(peername=(peer, 1), sockname=("0.0.0.0", 2), timestamp_start=0)
    configuration.client_connected(client)
    assert bool(client.error) == (refused and "10.0.0.9" in peer)


async def test_before_the_settings_are_read_other_machines_are_refused() -> None:
    client = connection.Client(peername=("10.0.0.9", 1), sockname=("0.0.0.0", 2), timestamp_start=0)
    Configuration().client_connected(client)
    assert client.error


async def test_redirected_programs_of_this_machine_are_let_in(context: taddons.context) -> None:
    configuration = await started(context)
    client = connection.Client(peername=("10.0.0.9", 1), sockname=("0.0.0.0", 2), timestamp_start=0)
    client.proxy_mode = mode_specs.ProxyMode.parse("local")
    configuration.client_connected(client)
    assert client.error is None


async def test_levels_of_loggers_are_put_back() -> None:
    names = ("addons", "mitmproxy.proxy.server")
    before = [logging.getLogger(name).level for name in names]
    with taddons.context(Proxyserver(), termlog.TermLog()) as context:
        configuration = await started(context, "floway_log_level=debug")
        assert logging.getLogger("addons").level == logging.DEBUG
        assert logging.getLogger("mitmproxy.proxy.server").level == logging.WARNING
        context.options.update(termlog_verbosity="debug")
        assert logging.getLogger("mitmproxy.proxy.server").level == before[1]
        configuration.done()
    assert [logging.getLogger(name).level for name in names] == before


# --- inside mitmdump -----------------------------------------------------------------------------

SCRIPT = """
import logging
from mitmproxy import ctx
from addons.configuration import Configuration

class Report:
    def running(self):
        logging.info("BOUND %s", ctx.master.addons.get("proxyserver").listen_addrs())
        ctx.master.shutdown()

addons = [Configuration(), Report()]
"""


async def mitmdump(script: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from mitmproxy.tools.main import mitmdump; mitmdump()",
        "-s",
        str(script),
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.slow
async def test_inside_mitmdump(home: Path) -> None:
    """Plain mitmdump listens on every interface, and binds before it loads the script."""
    script = home / "script.py"
    script.write_text(SCRIPT)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    plain, mistaken, unknown, exposed = await asyncio.gather(
        mitmdump(script, "--listen-port", port),
        mitmdump(script, "--listen-port", "0", "--set", "floway_max_attempts=none"),
        mitmdump(script, "--listen-port", "0", "--set", "floway_max_attempt=1"),
        mitmdump(script, "--listen-port", "0", "--listen-host", "0.0.0.0"),
    )
    assert plain[0] == 0
    assert f"BOUND [('127.0.0.1', {port})]" in plain[1]
    for code, output in (mistaken, unknown, exposed):
        assert code == 1
        assert "Traceback" not in output
        assert "BOUND" not in output
    assert "max_attempts = 'none' is not allowed: it must be a whole number" in mistaken[1]
    assert "did you mean floway_max_attempts?" in unknown[1]
    assert "client_keys is empty" in exposed[1]
