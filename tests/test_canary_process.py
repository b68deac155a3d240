"""No secret leaves a running floway but to its upstream: marked ones are looked for everywhere.

Every place that a secret can occupy gets one: headers, cookies, queries, bodies, JSON inside texts,
frames, error texts, claims of tokens, answers of sign-ins, crashes. Then all that floway has
written and said is searched: its home, its log and its output, captures, timelines, the metrics,
and every answer of the control API.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from replay.sandbox.config import AccountSpec
from replay.sandbox_control import SandboxControl
from tests.canaries import Search
from tests.floway_process import ROOT, Floway, clean_environment, command, running_floway
from tests.providers.codex import sign_ins

pytestmark = pytest.mark.slow

type Json = dict[str, Any]

CLIENT_KEY = "opaquecanarykeyofaclient0001"
TOKENS = "/oauth/token"
SESSION = "019b2b4f-bc42-7770-a4f1-514ac408d28e"

SENT = {
    "client key": CLIENT_KEY,
    "cookie": "canary-cookie-0002",
    "second cookie": "canarycookienodigits",
    "turn state header": "canary-turn-state-0003",
    "attestation": "canary-attestation-0004",
    "account header": "0cana5y0-0005-4c1e-9b52-0c5d6f1a7e11",
    "query": "canary-query-0006",
    "other query": "canary-query-0007",
    "path": "canaryproject0008",
    "remote": "canary-remote-0009",
    "e-mail": "canary.person.0010@mail.example.com",
    "encrypted": "canary-encrypted-content-0011",
    "frame token": "canary-frame-token-0012",
    "tool token": "canary-tool-token-0013",
    "api key header": "canary-other-key-0014",
    "JWT claim": "canary-claim-0015",
    "proxy": "canary-proxy-password-0016",
}
SAID = {
    "token in an error": "sk-canaryerror0017abcdefgh",
    "e-mail in an error": "canary.error.0018@mail.example.com",
    "path in an error": "canaryfolder0019",
    "bearer in an error": "canarybearer0020token",
    "set-cookie": "canary-set-cookie-0021",
    "turn state of the upstream": "canary-state-0022",
    "page": "canary-page-0023-token",
}
ERROR = (
    f"Incorrect API key provided: {SAID['token in an error']} of {SAID['e-mail in an error']} in "
    f"/home/{SAID['path in an error']}/x.json, authorization: Bearer {SAID['bearer in an error']}"
)
SAYS: dict[str, str] = {
    "set-cookie": f"__cf_bm={SAID['set-cookie']}; path=/; HttpOnly",
    "x-codex-turn-state": SAID["turn state of the upstream"],
}


def jwt(claims: Json) -> str:

    parts = ({"alg": "none"}, claims)
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*coded, b"c2lnbmF0dXJl"]).decode()


HEADERS = {
    "authorization": f"Bearer {CLIENT_KEY}",
    "cookie": f"session={SENT['cookie']}; other={SENT['second cookie']}",
    "x-codex-turn-state": SENT["turn state header"],
    "x-oai-attestation": SENT["attestation"],
    "chatgpt-account-id": SENT["account header"],
    "api-key": SENT["api key header"],
    "x-forwarded-access-token": jwt({"email": SENT["JWT claim"]}),
    "session-id": SESSION,
}
QUERY = f"?api_key={SENT['query']}&code={SENT['other query']}"
METADATA = {
    "workspaces": {
        f"/home/{SENT['path']}/repo": {
            "associated_remote_urls": {"origin": f"git@git.example.com:{SENT['remote']}/a.git"}
        }
    }
}


def prompt(text: str = "Say hello.", **more: Any) -> Json:
    return {
        "model": "gpt-5.4",
        "input": [{"role": "user", "content": text}],
        "client_metadata": {"x-codex-turn-metadata": json.dumps(METADATA)},
        "user": SENT["e-mail"],
        "tools": [
            {
                "type": "function",
                "name": "look",
                "parameters": {"type": "object", "properties": {}},
                "headers": {"authorization": f"Bearer {SENT['tool token']}"},
            }
        ],
        **more,
    }


class Run:
    """A floway with everything on that writes something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.floway = Floway(
            folder / "floway",
            {
                "floway_client_keys": [CLIENT_KEY],
                "floway_log_level": "debug",
                "floway_capture": str(folder / "captures"),
                "floway_timeline": str(folder / "timelines"),
                "floway_hold_seconds": "1",
            },
            ["-s", str(ROOT / "tests" / "crashing.py")],
        )
        self.floway.wait_ready()
        self.http = httpx.Client(
            base_url=self.floway.url, headers=HEADERS, trust_env=False, timeout=30
        )

    @property
    def owner(self) -> httpx.Client:
        """Of the control API."""
        token = (self.folder / "floway" / "state" / "control.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.floway.url, headers=headers, trust_env=False, timeout=30)

    def fail(self, fault: Json, times: int = 1, **match: str) -> None:
        """The next requests meet this; no account cools any more from those before."""
        with self.owner as client:
            assert client.delete("/floway/api/v1/cooldowns").is_success
        self.floway.sandbox.fault(fault, times=times, **match)

    def ask(self, path: str, body: Json) -> int:
        """Its status; what comes after it is read."""
        with self.http.stream("POST", f"{path}{QUERY}", json=body) as answer:
            with contextlib.suppress(httpx.HTTPError):
                answer.read()
            return answer.status_code

    def talk(self) -> str:
        """A WebSocket with one question; how it ended."""
        url = self.floway.base_url.replace("http:", "ws:")
        try:
            with connect(f"{url}/responses{QUERY}", additional_headers=HEADERS, proxy=None) as ws:
                frame = {"type": "response.create", **prompt()}
                frame["client_metadata"]["access_token"] = SENT["frame token"]
                ws.send(json.dumps(frame))
                while True:
                    kind: str = json.loads(ws.recv(timeout=20))["type"]
                    if kind in ("response.completed", "response.failed", "error"):
                        return kind
        except InvalidStatus as refused:
            return str(refused.response.status_code)
        except ConnectionClosed:
            return "closed"

    def control(self) -> Iterator[tuple[str, bytes]]:
        """Every answer of the control API to a GET, and the metrics."""
        base = "/floway/api/v1"
        with self.owner as client:
            accounts = client.get(f"{base}/accounts").json()["accounts"]
            sessions = client.get(f"{base}/sessions").json()["conversations"]
            known = {
                "name": [each["label"] for each in accounts],
                "id": [each["id"] for each in sessions],
            }
            for path, methods in client.get(f"{base}/openapi.json").json()["paths"].items():
                if "get" not in methods:
                    continue
                name = path.partition("{")[2].partition("}")[0]
                for value in known[name] if name else [""]:
                    url = path.replace(f"{{{name}}}", value)
                    yield url, client.get(url).content
            yield "/metrics", client.get("/metrics").content

    def received(self) -> dict[str, str]:
        """Tokens and ids of accounts, as the upstream was shown them."""
        found: dict[str, str] = {}
        for number, request in enumerate(self.floway.sandbox.requests()):
            for name, value in request["headers"]:
                if name.lower() in ("authorization", "chatgpt-account-id"):
                    found[f"{name} of request {number}"] = value.rpartition(" ")[2]
        for kind in ("", "cursor/"):
            for account in self.floway.sandbox.ask("GET", f"{kind}accounts")["accounts"]:
                for name in ("email", "refresh_token", "api_key", "id"):
                    found[f"{name} of {account['label']}"] = account[name]
        return found


def walk(run: Run) -> None:
    """Both providers, each protocol, failover, refusals, errors in streams, refreshes, crashes."""
    page = f"<html><title>Blocked {SAID['page']}</title>api_key={SAID['page']} {ERROR}</html>"
    refusal = {"error": {"message": ERROR, "type": "x", "code": "rate_limited", "param": ERROR}}
    assert run.ask("/v1/responses", prompt(stream=True)) == 200
    for status, body in ((429, refusal), (401, refusal), (403, page), (500, refusal)):
        run.fail({"kind": "status", "status": status, "body": body, "headers": SAYS}, times=2)
        run.ask("/v1/responses", prompt(f"{status}", stream=True))
    for status in (400, 404):
        run.fail({"kind": "status", "status": status, "body": refusal, "headers": SAYS})
        run.ask("/v1/responses", prompt(f"{status}"))
    for at in ("before_output", "after_output"):
        run.fail({"kind": "failure", "code": "server_error", "message": ERROR, "at": at})
        run.ask("/v1/responses", prompt(at, stream=True))
    run.fail({"kind": "headers", "set": SAYS})
    run.ask("/v1/responses", prompt("headers"))
    history = {"type": "reasoning", "summary": [], "encrypted_content": SENT["encrypted"]}
    run.ask("/v1/responses", prompt(input=[history, {"role": "user", "content": "Go on."}]))
    chat = {"messages": [{"role": "user", "content": "Hi"}], "user": SENT["e-mail"]}
    run.ask("/v1/chat/completions", {"model": "gpt-5.4", **chat})
    run.ask("/v1/messages", {"model": "claude-x", "max_tokens": 9, **chat})
    # WebSockets
    run.fail({"kind": "delay"})
    assert run.talk() == "response.completed"
    run.fail({"kind": "refuse_upgrade", "status": 403, "body": refusal, "headers": SAYS})
    run.talk()
    run.fail({"kind": "error_frame", "status": 400, "message": ERROR, "headers": SAYS})
    run.talk()
    run.fail(
        {"kind": "close_socket", "code": 1011, "reason": f"Bearer {SAID['bearer in an error']}"}
    )
    run.talk()
    # Sign-ins that are over, and are renewed
    for account in run.floway.sandbox.accounts():
        run.floway.sandbox.ask("POST", f"accounts/{account['label']}", json={"expire_tokens": True})
    run.ask("/v1/responses", prompt("expired"))
    # The other provider
    run.fail({"kind": "delay"})
    cursor = {"model": "cursor/composer-2", **chat}
    assert run.ask("/v1/chat/completions", cursor) == 200
    run.fail({"kind": "agent", "how": "error", "code": "internal", "message": ERROR}, times=3)
    run.ask("/v1/chat/completions", cursor)
    run.fail({"kind": "agent", "how": "error", "message": ERROR, "at": "after_output"})
    run.ask("/v1/responses", prompt(model="cursor/composer-2", stream=True))
    for account in run.floway.sandbox.ask("GET", "cursor/accounts")["accounts"]:
        run.floway.sandbox.ask(
            "POST", f"cursor/accounts/{account['label']}", json={"expire_tokens": True}
        )
    run.ask("/v1/chat/completions", cursor)
    # What is refused at the door
    run.http.get(f"/nowhere/{QUERY}")
    run.http.post("/v1/responses", content=f'{{"api_key": "{SENT["query"]}", ')
    httpx.get(
        f"{run.floway.url}/v1/models?token={SENT['query']}",
        headers={"authorization": f"Bearer {SENT['api key header']}"},
        trust_env=False,
    )
    with contextlib.suppress(httpx.HTTPError):
        proxy = run.floway.url.replace("://", f"://floway:{SENT['proxy']}@")
        httpx.get("http://127.0.0.1:9/", proxy=proxy, trust_env=False)
    # Mistakes of floway's own
    run.ask("/v1/responses", prompt("crash"))
    run.ask("/v1/chat/completions", {"model": "gpt-5.4", **chat, "crash": True})


def test_no_secret_is_left_behind(tmp_path: Path) -> None:
    run = Run(tmp_path)
    try:
        walk(run)
        run.floway.wait_log("Crash")
        secrets = {**SENT, **SAID, **run.received()}
        assert len(secrets) > len(SENT) + len(SAID) + 10
        search = Search(secrets)
        answers = list(run.control())
    finally:
        run.floway.stop()
    assert len(answers) > 8
    found = [find for where, data in answers for find in search.in_bytes(data, where)]
    found += search.in_bytes(run.floway.log_file.read_bytes(), "the output")
    for name in ("captures", "timelines"):
        assert any((tmp_path / name).rglob("*.*")), f"nothing was searched in {name}"
        found += search.below(tmp_path / name)
    assert (tmp_path / "floway" / "state" / "logs" / "floway.log").stat().st_size > 5000
    found += search.below(tmp_path / "floway" / "state", besides=("credentials",))
    # What a conversation needs to go on is kept, for its owner only (setting response_bytes).
    store = tmp_path / "floway" / "state" / "floway.db"
    assert store.stat().st_mode & 0o777 == 0o600
    found = [find for find in found if (find.where, find.secret) != (store.name, "encrypted")]
    assert not found, "\n".join(map(str, found))


def _refresh_token(request: Json) -> str:
    """Of a refresh as the sandbox received it."""
    body = base64.b64decode(request["body_base64"]).decode()
    if body.startswith("{"):
        return str(json.loads(body)["refresh_token"])
    return parse_qs(body)["refresh_token"][0]


async def test_no_secret_of_a_sign_in_is_left_behind(tmp_path: Path) -> None:
    """Accounts that were added: refreshed, refused, and over; what the commands say of them."""
    labels = ("canaryada", "canaryben")
    server = await sign_ins.sandbox(
        tmp_path / "sandbox", accounts=[AccountSpec(label) for label in labels]
    )
    try:
        for account in server.accounts:
            server.accounts.write_auth_json(account, tmp_path / f"{account.label}.json")
        await asyncio.to_thread(_sign_ins, tmp_path, server.http_url)
    finally:
        await server.stop()


def _sign_ins(folder: Path, url: str) -> None:
    control = SandboxControl(url)
    own = {"FLOWAY_ISSUERS": f"codex={url}", "FLOWAY_UPSTREAMS": f"codex={url}"}
    own |= {"FLOWAY_CREDENTIAL_STORE": "file", "FLOWAY_LOG_LEVEL": "debug"}
    environment = clean_environment(folder / "user", FLOWAY_HOME=str(folder / "state"), **own)
    said: dict[str, bytes] = {}

    def type_in(*words: str) -> None:
        done = command(*words, environment=environment, check=False)
        said[" ".join(["floway", *words])] = f"{done.stdout}{done.stderr}".encode()

    for account in control.accounts():
        file = str(folder / f"{account['label']}.json")
        type_in("accounts", "add", "codex", "--label", account["label"], "--import", file)
    with running_floway(folder, environment=environment) as floway:
        statuses = _refreshed(floway.url, control)
        secrets = _secrets_of(control)
        type_in("accounts", "list", "--json")
        type_in("accounts", "show", "canaryada", "--json")
        type_in("accounts", "refresh", "canaryben")
        for name in ("cooldowns", "sessions"):
            type_in(name, "list", "--json")
        type_in("logs")
    type_in("accounts", "list")
    type_in("accounts", "show", "canaryben")
    assert statuses[:2] == [200, 200], "with the first tokens, and with new ones"
    search = Search(secrets)
    found = [find for where, data in said.items() for find in search.in_bytes(data, where)]
    # These two tell their owner, who asks for it, as whom an account is signed in.
    asked = ("floway accounts list", "floway accounts show")
    found = [
        find
        for find in found
        if not (find.where.startswith(asked) and find.secret.startswith("email of"))
    ]
    found += search.in_bytes(floway.log_file.read_bytes(), "the output")
    found += search.below(folder / "state", besides=("credentials",))
    log_text = floway.log()
    assert "refreshed" in log_text
    assert "could not be refreshed" in log_text or "the sign-in is over" in log_text
    assert not found, "\n".join(map(str, found))


def _refreshed(url: str, control: SandboxControl) -> list[int]:
    """Requests with tokens that are good, expired, and beyond help; their statuses."""
    statuses = []

    def ask() -> None:
        body = {"model": "gpt-5.5", "input": "Hi"}
        answer = httpx.post(f"{url}/v1/responses", json=body, trust_env=False, timeout=30)
        statuses.append(answer.status_code)

    def change(**what: Any) -> None:
        for account in control.accounts():
            control.ask("POST", f"accounts/{account['label']}", json=what)

    ask()
    change(expire_tokens=True)
    ask()
    body = {"error": {"message": ERROR, "code": "server_error"}, "refresh_token": "rt_canary.0.x1"}
    control.fault({"kind": "status", "status": 500, "body": body}, path="/oauth/token")
    change(expire_tokens=True)
    ask()
    change(expire_tokens=True, refresh_error="refresh_token_invalidated")
    ask()
    return statuses


def _secrets_of(control: SandboxControl) -> dict[str, str]:
    """All tokens that were sent or given, account ids and addresses."""
    found = dict(SAID)
    for account in control.accounts():
        for name in ("id", "email", "access_token", "refresh_token"):
            found[f"{name} of {account['label']}"] = account[name]
    for number, request in enumerate(control.requests()):
        for name, value in request["headers"]:
            if name.lower() == "authorization":
                found[f"token of request {number}"] = value.rpartition(" ")[2]
        if request["path"] == TOKENS:
            found[f"refresh token of request {number}"] = _refresh_token(request)
    assert sum(name.startswith("token of request") for name in found) > 2
    assert sum(name.startswith("refresh token of request") for name in found) > 2
    return found


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """The test above can fail."""
    secret = SENT["e-mail"]
    written = {
        "plain": secret.encode(),
        "url": b"?x=canary.person.0010%40mail.example.com",
        "base64": base64.b64encode(b"{" + secret.encode() + b"}"),
    }
    for name, data in written.items():
        (tmp_path / name).write_bytes(b"before " + data + b" after")
    (tmp_path / secret).write_bytes(b"")
    found = {find.where for find in Search({"it": secret}).below(tmp_path)}
    assert found == {*written, f"the name of {secret}"}
