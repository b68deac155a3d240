"""``floway run``: what it gives to mitmproxy, what it refuses before, and a whole run."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from replay.child import Child, neutral_environment
from replay.cli import proxy
from replay.cli.failure import CommandFailed
from replay.cli.proxy import Start, check_port, mitmproxy_arguments, script

ROOT = Path(__file__).parents[2]


def test_the_script_is_there() -> None:
    assert script() == ROOT / "addons" / "floway.py"
    assert script().is_file()


def test_the_user_s_own_arguments_come_last() -> None:
    chosen = Start(9000, "::1", 9001, True, "client/1", ("-w", "file", "--set", "flow_detail=2"))
    assert mitmproxy_arguments(chosen) == [
        *("-s", str(script()), "--listen-host", "::1", "--listen-port", "9000"),
        *("--web-port", "9001"),
        *("--set", "floway_sandbox=true", "--set", "floway_profile=client/1"),
        *("-w", "file", "--set", "flow_detail=2"),
    ]
    assert "--web-port" not in mitmproxy_arguments(Start())


def test_options_that_were_not_given_are_not_set() -> None:
    """Else they would win over floway.toml and the environment."""
    assert "--set" not in mitmproxy_arguments(Start())


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_one_line_with_a_free_one(taken: int) -> None:
    with pytest.raises(CommandFailed) as caught:
        check_port("127.0.0.1", taken, "--port")
    match = re.fullmatch(
        rf"port {taken} of 127\.0\.0\.1 is taken by another program; "
        r"end it, or choose another: --port (\d+)",
        str(caught.value),
    )
    assert match is not None
    check_port("127.0.0.1", int(match[1]), "--port")


def test_a_port_that_floway_has_is_named_so() -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"status": "ok", "providers": []}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(CommandFailed, match="is taken by another floway"):
                check_port("127.0.0.1", server.server_port, "--port")
        finally:
            server.shutdown()
            thread.join()


def test_a_port_that_was_just_left_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = server.accept()
        connection.close()  # the server's side closes first, and lingers in TIME_WAIT
        client.close()
    check_port("127.0.0.1", port, "--port")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CommandFailed, match=r"cannot listen on 192\.0\.2\.1:8080: Cannot assign"):
        check_port("192.0.2.1", 8080, "--port")


def test_any_port_needs_no_check() -> None:
    check_port("192.0.2.1", 0, "--port")


@pytest.mark.parametrize(
    ("arguments", "checked"),
    [
        ([], True),
        (["-w", "file"], True),
        (["-p", "1"], False),
        (["-p1"], False),
        (["--listen-port=1"], False),
        (["--mode", "regular@1"], False),
    ],
)
def test_with_listeners_of_the_user_s_own_mitmproxy_checks(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], checked: bool
) -> None:
    import mitmproxy.tools.main

    ports: list[int] = []
    given: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", ["floway"])
    monkeypatch.setattr(proxy, "check_port", lambda host, port, option: ports.append(port))
    monkeypatch.setattr(mitmproxy.tools.main, "mitmdump", given.append)
    proxy.start(Start(port=1234, arguments=tuple(arguments)))
    assert ports == ([1234] if checked else [])
    assert given[0][-len(arguments) :] == arguments or not arguments


def test_mitmweb_has_a_port_of_its_own(floway, taken: int) -> None:
    code, _, err = floway("run", "--port", "0", "--web", "--web-port", str(taken))
    assert code == 1
    assert f"port {taken} of 127.0.0.1 is taken" in err
    assert "--web-port" in err


def test_other_addresses_need_client_keys(floway) -> None:
    code, _, err = floway("run", "--host", "0.0.0.0", "--port", "0")
    assert code == 2
    assert "client_keys is empty" in err


# --- a whole run ---------------------------------------------------------------------------------


class Running(Child):
    """``floway run``."""

    @property
    def lines(self) -> list[str]:
        return self.log().splitlines()

    @property
    def address(self) -> str:
        (line,) = [line for line in self.lines if "is ready" in line]
        return line.split("is ready: ")[1].strip().removesuffix("/v1")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With a home without anything."""
    home = tmp_path_factory.mktemp("home")
    return neutral_environment(HOME=str(home), FLOWAY_HOME=str(home / "state"))


@pytest.fixture(scope="module")
def running(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One floway for all tests below."""
    command = [sys.executable, "-m", "replay.cli", "run", "--port", "0"]
    log_file = tmp_path_factory.mktemp("log") / "log"
    with Running("floway", command, log_file, environment=environment, folder=ROOT) as running:
        running.wait_until(lambda: "Claude Code" in running.log(), "start")  # the banner's end
        yield running


@pytest.mark.slow
def test_without_an_account_the_sandbox_is_served(running: Running) -> None:
    (line,) = [line for line in running.lines if "/_sandbox/" in line]
    control = line.split()[-1]
    with urllib.request.urlopen(control, timeout=10) as answer:
        assert "faults" in answer.read().decode()


@pytest.mark.slow
def test_the_printed_curl_line_streams_an_answer(
    running: Running, environment: dict[str, str]
) -> None:
    (line,) = [line.strip() for line in running.lines if line.strip().startswith("curl ")]
    done = subprocess.run(
        ["sh", "-c", line], env=environment, capture_output=True, text=True, check=True
    )
    events = [line[6:] for line in done.stdout.splitlines() if line.startswith("data: ")]
    types = [json.loads(event)["type"] for event in events]
    assert types[0] == "response.created"
    assert "response.output_text.delta" in types
    assert types[-1] == "response.completed"


@pytest.mark.slow
def test_a_second_floway_on_the_port_is_told_about_the_first(
    running: Running, environment: dict[str, str]
) -> None:
    port = running.address.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "replay.cli", "run", "--port", port],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken by another floway" in done.stderr


@pytest.mark.slow
def test_it_ends_quietly(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0
    assert "Traceback" not in running.log()
    assert "rror" not in running.log()
