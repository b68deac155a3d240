"""A stand-in for the official CLI: knows enough of its command line and of its wire to be recorded.

``fake_codex.py MODE WORDS…``; modes: ``good``; ``fails`` says its token and ends with 3; ``hangs``
starts a server in a session of its own and never ends.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
import uuid
from pathlib import Path

COMMANDS = ("exec resume",)
MODELS = {
    "models": [
        {"slug": "fake-lite", "visibility": "list", "priority": 1, "use_responses_lite": True},
        {"slug": "fake-full", "visibility": "list", "priority": 2, "description": "Long words."},
    ]
}


def main(mode: str, words: list[str]) -> int:
    if words == ["--version"]:
        print("codex-cli 9.9.9")  # noqa: T201
    elif words[-1] == "--help":
        name = " ".join(words[:-1])
        print(f"Usage: codex {name if name in COMMANDS else 'exec'} [OPTIONS]")  # noqa: T201
    elif words == ["debug", "models"]:
        print("warning: made up\n" + json.dumps(MODELS))  # noqa: T201
    elif words[0] == "exec":
        return execute(mode, words)
    return 0


def execute(mode: str, words: list[str]) -> int:
    import httpx

    tokens = json.loads(Path.home().joinpath(".codex", "auth.json").read_text())["tokens"]
    if mode == "fails":
        print(f"no luck in {Path.home()} with {tokens['access_token']}")  # noqa: T201
        return 3
    if mode == "hangs":
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        server = subprocess.Popen(sleep, start_new_session=True)
        Path(os.environ["TMPDIR"], "hanging").write_text(str(server.pid))
        time.sleep(600)
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    headers = {"authorization": f"Bearer {tokens['access_token']}", "x-order": "First"}
    message = {"type": "message", "role": "user", "content": words[-1]}
    body = {"model": "fake-lite", "input": [message], "store": False, "stream": True}
    with httpx.Client(verify=context, http2=True, timeout=30) as client:
        other = client.get("https://elsewhere.example.com/anything")
        url = "https://chatgpt.com/backend-api/codex/responses"
        answer = client.post(url, json=body, headers=headers)
    print(f"session id: {uuid.uuid4()}\n{other.status_code} {answer.status_code}")  # noqa: T201
    return 0 if answer.status_code == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
