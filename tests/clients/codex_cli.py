"""The official Codex CLI, signed in with an account that no sandbox knows."""

from __future__ import annotations

import base64
import datetime
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.clients.command import Finished, run
from tests.floway_process import Floway, clean_environment

type Way = Literal["base_url", "proxy", "own_provider"]

OWN_ACCOUNT = "11111111-2222-4333-8444-555555555555"
"""The client's own account; must never be seen upstream."""


def _jwt(claims: dict[str, Any]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(text.rstrip("=") for text in texts), "c2ln"])


def sign_in() -> dict[str, Any]:
    """An ``auth.json`` with unsigned tokens (facts/codex-recordings.md)."""
    claims = {
        "exp": int(time.time()) + 9 * 86400,
        "email": "own@example.com",
        "https://api.openai.com/auth": {
            "chatgpt_plan_type": "pro",
            "chatgpt_account_id": OWN_ACCOUNT,
            "chatgpt_user_id": "user-own",
        },
    }
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": _jwt(claims),
            "access_token": _jwt(claims | {"own": "access"}),
            "refresh_token": "rt_own_refresh",
            "account_id": OWN_ACCOUNT,
        },
        "last_refresh": datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z"),
    }


@dataclass(frozen=True, slots=True)
class CodexCli:
    """One installed release with a home and a working folder of its own."""

    program: Path
    home: Path
    floway: Floway
    way: Way

    @classmethod
    def make(cls, program: Path, folder: Path, floway: Floway, way: Way) -> CodexCli:
        home = folder / "codex"
        home.mkdir(parents=True)
        (folder / "work").mkdir()
        if way != "own_provider":
            (home / "auth.json").write_text(json.dumps(sign_in()))
        return cls(program, home, floway, way)

    @property
    def work(self) -> Path:
        return self.home.with_name("work")

    def secrets(self) -> list[str]:
        """What of the client's own sign-in must not leave floway."""
        if self.way == "own_provider":
            return []
        tokens = json.loads((self.home / "auth.json").read_text())["tokens"]
        return [str(value) for value in tokens.values()]

    def exec(self, *words: str, seconds: float = 90.0) -> Finished:
        """``codex exec …``."""
        options: list[str] = []
        proxy: dict[str, str] = {}
        url = self.floway.url
        match self.way:
            case "base_url":
                # Two spellings of one host: facts/codex-recordings.md, accounts/check.
                other = url.replace("127.0.0.1", "localhost")
                options = [
                    "-c",
                    f'chatgpt_base_url="{other}/backend-api"',
                    "-c",
                    f'openai_base_url="{url}/backend-api/codex"',
                ]
            case "proxy":
                authority = str(self.floway.ca_file)
                proxy = {
                    "HTTPS_PROXY": url,
                    "HTTP_PROXY": url,
                    "CODEX_CA_CERTIFICATE": authority,
                    "SSL_CERT_FILE": authority,
                }
            case "own_provider":
                table = f'{{name="floway",base_url="{url}/v1",wire_api="responses"}}'
                options = [
                    "-c",
                    "model_provider=floway",
                    "-c",
                    f"model_providers.floway={table}",
                ]
        environment = clean_environment(
            self.home.with_name("user"), CODEX_HOME=str(self.home), **proxy
        )
        command: list[str | Path] = [self.program, "exec", "--skip-git-repo-check"]
        command += [*options, *words]
        return run(command, cwd=self.work, environment=environment, seconds=seconds)
