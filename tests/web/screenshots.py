"""The pictures of the README, taken from a floway that runs here: ``scripts/screenshots``.

Everything in them is made up: the sandbox's accounts and answers, and no path of a machine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx

from replay.child import free_port
from replay.floway_process import MITMDUMP
from tests.floway_process import Floway, running_floway
from tests.web.mitmweb import MITMWEB, Mitmweb, chromium, opened, options

FOLDER = Path(__file__).with_name("pictures")
WIDTH, HEIGHT = 1400, 640

TOOL = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Reads a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}


def main() -> int:
    """Take all pictures; 1 where there is no browser."""
    if chromium() is None:
        sys.stderr.write("there is no Chromium on this machine; install one (apt: chromium)\n")
        return 1
    FOLDER.mkdir(exist_ok=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        program = MITMDUMP.with_name(MITMWEB)
        with running_floway(Path(folder) / "home", program=program, **options(port)) as floway:
            traffic(floway)
            with opened(port, WIDTH, HEIGHT) as web:
                pictures(web)
    for file in sorted(FOLDER.glob("*.png")):
        sys.stdout.write(f"{file.name}: {file.stat().st_size // 1000} KB\n")
    return 0


def traffic(floway: Floway) -> None:
    """A conversation whose account runs out, and a few requests of other kinds."""
    system = {"role": "system", "content": "You are a careful engineer. " * 200}
    talk = [system, {"role": "user", "content": "Why is the build red?"}]
    ask(floway, "chat/completions", {"messages": talk, "tools": [TOOL], "stream": True})
    talk += [
        {"role": "assistant", "content": "Let me look."},
        {"role": "user", "content": "Go on."},
    ]
    ask(floway, "chat/completions", {"messages": talk, "tools": [TOOL], "stream": True})
    served = floway.sandbox.requests("/backend-api/codex/responses")[-1]["account"]
    fault = {"kind": "preset", "preset": "usage_limit_reached"}
    floway.sandbox.fault(fault, times=None, account=served)
    talk += [
        {"role": "assistant", "content": "It is the linter."},
        {"role": "user", "content": "Mend it, please."},
    ]
    ask(floway, "chat/completions", {"messages": talk, "tools": [TOOL], "stream": True})
    ask(floway, "responses", {"input": "Say hello.", "stream": True})
    ask(floway, "chat/completions", {"model": "cursor/gpt-5.2", "messages": talk[1:2]})
    ask(floway, "chat/completions", {"messages": "none"}, status=400)


def ask(floway: Floway, path: str, said: dict[str, object], status: int = 200) -> None:
    answer = httpx.post(
        f"{floway.base_url}/{path}",
        json={"model": "gpt-5.5", **said},
        headers={"user-agent": "opencode/1.18.33"},
        trust_env=False,
        timeout=30,
    )
    assert answer.status_code == status, answer.text


def pictures(web: Mitmweb) -> None:
    web.select("🔀")
    web.choose_view("floway explain")
    web.content("Attempts that failed")
    web.picture(FOLDER / "explain.png")
    web.choose_view("floway parity")
    web.content("Check against")
    web.picture(FOLDER / "parity.png")
    web.choose_view("auto")
    web.content("── Identity")
    web.picture(FOLDER / "request.png")
    web.tab("Response")
    web.content("── Events")
    web.picture(FOLDER / "events.png")


if __name__ == "__main__":
    sys.exit(main())
