"""mitmproxy's console in a terminal of tmux: the list, the views and the commands by their keys."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from replay.child import free_port
from replay.sandbox_control import SandboxControl
from tests.floway_process import ROOT, clean_environment, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux on this machine"),
]

MITMPROXY = Path(sys.executable).with_name("mitmproxy")
COLUMNS, LINES = 150, 50


class Console:
    """mitmproxy in a terminal.

    Attributes:
        url: origin at which clients reach it.
    """

    def __init__(self, home: Path) -> None:
        port, sandbox = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.sandbox = SandboxControl(f"http://127.0.0.1:{sandbox}")
        self._socket = str(home / "tmux")
        self._environment = clean_environment(
            home / "user", FLOWAY_HOME=str(home / "state"), TERM="xterm-256color"
        )
        script = ROOT / "addons" / "floway.py"
        sets = {"floway_sandbox_port": sandbox, "confdir": home / "mitmproxy"}
        words = [f"--set={name}={value}" for name, value in sets.items()]
        self._tmux(
            *("-u", "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES)),
            *(str(MITMPROXY), "-p", str(port), "-s", str(script), *words),
        )

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout

    def ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/healthz", trust_env=False, timeout=5)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, *texts: str) -> str:
        """The screen, once all of this is on it."""

        def there() -> bool:
            screen = self.screen()
            return all(text in screen for text in texts)

        try:
            until(there, 15)
        except TimeoutError:
            raise AssertionError(f"{texts} not on the screen:\n{self.screen()}") from None
        return self.screen()

    def command(self, text: str) -> None:
        """Open the prompt, and type a command into it."""
        self.press(":")
        self.shows("\n:")
        self.press("-l", text)
        self.press("Enter")

    def back(self) -> None:
        """To the list of flows."""
        while any(window in (before := self.screen()) for window in ("Data viewer", "q Back")):
            self.press("q")
            until(lambda before=before: self.screen() != before, 10, "the window is left")  # type: ignore[misc]

    def close(self) -> None:
        self.sandbox.close()
        self._tmux("kill-server")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("console"))
    try:
        try:
            until(console.ready, 60)
        except TimeoutError:
            raise AssertionError(f"floway is not ready:\n{console.screen()}") from None
        yield console
    finally:
        console.close()


@pytest.fixture
def quiet(console: Console) -> Iterator[Console]:
    """With an empty list at the start, and no window over it at the end."""
    console.command("view.clear")
    until(lambda: "[0/0]" in console.screen(), 10, "an empty list")
    yield console
    console.back()


def chat(console: Console, text: str, **more: object) -> None:
    said = {"model": "gpt-5.5", "messages": [{"role": "user", "content": text}], **more}
    answer = httpx.post(
        f"{console.url}/v1/chat/completions", json=said, trust_env=False, timeout=30
    )
    assert answer.status_code == 200


def test_what_floway_did_is_explained(quiet: Console) -> None:
    chat(quiet, "Who has run out?")
    first = str(quiet.sandbox.requests("/backend-api/codex/responses")[-1]["account"])
    fault = {"kind": "preset", "preset": "usage_limit_reached"}
    quiet.sandbox.fault(fault, times=None, account=first)
    chat(quiet, "Who has run out?")
    quiet.shows("[1/3]", "429")
    quiet.command("""floway.explain "~comment 'attempt 2'" """)
    quiet.shows("Data viewer", f"{first}  HTTP 429  NextAccount usage_limit_reached")
    quiet.shows(f"attempt 1 · {first} · not given to the client")
    quiet.back()
    quiet.command("floway.accounts")
    quiet.shows(f"codex:{first}  cools until")


def test_views_of_a_flow(quiet: Console) -> None:
    chat(quiet, "Say hello.", stream=True)
    quiet.shows("[1/1]")
    quiet.press("Enter")
    quiet.shows("floway codex request", "── Identity")
    quiet.press("Tab")
    quiet.shows("floway events", "You said: Say hello.")


def test_completion_and_wrong_words(quiet: Console) -> None:
    chat(quiet, "Say hello.")
    quiet.press(":")
    quiet.shows("\n:")
    quiet.press("-l", "floway.exp")
    quiet.press("Tab")
    quiet.shows(": floway.explain")
    quiet.press("Escape")  # with what comes too soon after it, a terminal takes it for Alt
    until(lambda: "\n:" not in quiet.screen(), 10, "the prompt is left")
    quiet.command("floway.websocket @focus")
    quiet.shows("this flow is no WebSocket")
    quiet.command("floway.replay @focus kim")
    quiet.shows("codex has no account 'kim'")
    quiet.command("floway.diff @focus codex@0.142.0")
    quiet.shows("Data viewer", "client    POST /v1/chat/completions", "Check against codex@0.142.0")
