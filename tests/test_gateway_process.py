"""A floway process: bad input, limits, clients that leave, and traffic that is not its own."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from websockets.sync.client import connect

from replay.child import ProcessFailed
from tests.clients.evidence import RESPONSES, leaks, model_requests
from tests.floway_process import Floway, running_floway, until
from tests.tls_server import RawServer, TestAuthority

type Json = dict[str, Any]

SECONDS = 20.0
HELLO: Json = {"model": "gpt-5.5", "input": "hello"}
CHAT: Json = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "hello"}]}
KEYS = ("first-client-key", "second-client-key")
LIMIT = 1024 * 1024


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority) -> Iterator[Floway]:
    """One process for all tests that need no settings of their own."""
    with running_floway(
        tmp_path_factory.mktemp("floway"),
        floway_forward_hosts="localhost",
        ssl_verify_upstream_trusted_ca=str(authority.file),
    ) as floway:
        yield floway


@pytest.fixture
def floway(shared: Floway) -> Floway:
    shared.sandbox.forget()
    return shared


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floway]:
    """With client keys and a small limit for bodies."""
    with running_floway(
        tmp_path_factory.mktemp("guarded"),
        floway_client_keys=KEYS,
        floway_max_request_bytes=str(LIMIT),
    ) as floway:
        yield floway


@pytest.fixture
def http(floway: Floway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=floway.url, trust_env=False, timeout=SECONDS) as client:
        yield client


def error_of(answer: httpx.Response, status: int) -> Json:
    """The error of an answer in OpenAI's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert "Traceback" not in error["message"]
    return dict(error)


def sent(floway: Floway) -> list[Json]:
    return floway.sandbox.requests(RESPONSES)


def talk(port: int, data: bytes, *, seconds: float = SECONDS) -> bytes:
    """Send bytes on a connection of their own; everything that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)  # it need not want to read all of it
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            got += data
    return got


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions", RESPONSES])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a":1}x', b"[" * 5000])
def test_bodies_that_are_no_json_objects(http: httpx.Client, path: str, body: bytes) -> None:
    error = error_of(http.post(path, content=body), 400)
    assert error["type"] == "invalid_request_error"
    assert "JSON" in error["message"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/responses", {"input": "x"}, "model"),
        ("/v1/responses", {**HELLO, "model": 5}, "model"),
        ("/v1/responses", {**HELLO, "input": {"a": 1}}, "input"),
        ("/v1/responses", {**HELLO, "stream": "yes"}, "stream"),
        ("/v1/responses", {**HELLO, "previous_response_id": "resp_1"}, "previous_response_id"),
        ("/v1/chat/completions", {**CHAT, "messages": []}, "messages"),
        ("/v1/chat/completions", {**CHAT, "messages": [5]}, "messages[0]"),
        ("/v1/chat/completions", {**CHAT, "tools": {}}, "tools"),
        ("/v1/chat/completions", {**CHAT, "n": 3}, "n"),
    ],
)
def test_wrong_members_are_named_and_nothing_is_sent(
    http: httpx.Client, floway: Floway, path: str, body: Json, param: str
) -> None:
    assert error_of(http.post(path, json=body), 400)["param"] == param
    assert sent(floway) == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/responses", HELLO), ("/v1/chat/completions", CHAT)]
)
def test_an_unknown_model(http: httpx.Client, path: str, body: Json, stream: bool) -> None:
    answer = http.post(path, json={**body, "model": "gpt-nope", "stream": stream})
    error = error_of(answer, 400)
    assert error["code"] == "model_not_found"
    assert "gpt-nope" in error["message"]


def test_paths_and_methods(http: httpx.Client) -> None:
    assert error_of(http.post("/v1/nope", json={}), 404)["code"] == "unknown_path"
    assert "/v1" in error_of(http.get("/chat/completions"), 404)["message"]
    wrong = error_of(http.delete("/v1/responses"), 405)
    assert "POST" in wrong["message"]
    assert error_of(http.get("/v1/responses"), 426)["code"] == "upgrade_required"
    assert http.get("/healthz").json()["status"] == "ok"


def test_headers_without_end(floway: Floway) -> None:
    head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\n"
    answer = talk(floway.port, head + b"".join(b"x-%d: y\r\n" % n for n in range(50_000)))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"headers_too_large"' in answer
    endless = talk(floway.port, head + b"x-long: " + b"y" * 2_000_000)
    assert endless.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/responses HTTP/9.9\r\nhost: x\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked"
        b"\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_broken_http_is_refused(floway: Floway, http: httpx.Client, data: bytes) -> None:
    answer = talk(floway.port, data)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:200]
    assert http.get("/healthz").status_code == 200
    assert sent(floway) == []


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["zstd", "gzip", "identity", "x-gzip", "GZIP"])
def test_content_codings(http: httpx.Client, floway: Floway, coding: str) -> None:
    body = json.dumps(HELLO).encode()
    if coding == "zstd":
        body = zstandard.compress(body)
    elif coding != "identity":
        body = gzip.compress(body)
    headers = {"content-type": "application/json", "content-encoding": coding}
    answer = http.post("/v1/responses", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "completed"
    assert len(sent(floway)) == 1


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("zstd", b"no", 400),
        ("gzip", b"no", 400),
        ("br", b"no", 400),
        ("gzip, zstd", b"{}", 400),
        ("lzma", b"{}", 415),
    ],
)
def test_bad_content_codings(
    http: httpx.Client, floway: Floway, coding: str, body: bytes, status: int
) -> None:
    answer = http.post("/v1/responses", content=body, headers={"content-encoding": coding})
    error_of(answer, status)
    assert sent(floway) == []


def post_head(length: int | str, *, key: str = KEYS[0]) -> bytes:
    framing = f"content-length: {length}" if isinstance(length, int) else length
    return (
        f"POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\n{framing}\r\n\r\n"
    ).encode()


@pytest.mark.slow
def test_a_body_over_the_limit_is_refused(guarded: Floway) -> None:
    announced = talk(guarded.port, post_head(LIMIT + 1))
    assert announced.startswith(b"HTTP/1.1 413 ")
    assert b"max_request_bytes" in announced
    chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    unannounced = talk(guarded.port, post_head("transfer-encoding: chunked") + chunks * 20)
    assert unannounced.startswith(b"HTTP/1.1 413 ")
    bomb = zstandard.compress(b" " * (LIMIT + 1))
    headers = {"content-encoding": "zstd", "authorization": f"Bearer {KEYS[0]}"}
    answer = httpx.post(
        f"{guarded.url}/v1/responses", content=bomb, headers=headers, trust_env=False
    )
    assert str(LIMIT) in error_of(answer, 413)["message"]


@pytest.mark.slow
def test_a_body_at_the_limit_is_served(guarded: Floway) -> None:
    body = json.dumps(HELLO).encode().ljust(LIMIT)
    headers = {"authorization": f"Bearer {KEYS[0]}", "content-type": "application/json"}
    answer = httpx.post(
        f"{guarded.url}/v1/responses", content=body, headers=headers, trust_env=False
    )
    assert answer.status_code == 200


@pytest.mark.slow
def test_a_hundred_megabytes(http: httpx.Client, floway: Floway) -> None:
    size = 100 * 1024 * 1024
    padded = json.dumps(HELLO).encode().ljust(size)
    answer = http.post("/v1/responses", content=padded, timeout=120)
    assert answer.status_code == 200, answer.text[:300]
    full = http.post("/v1/responses", json={**HELLO, "input": "x" * size}, timeout=120)
    assert error_of(full, 400)["code"] == "context_length_exceeded", "sent, and refused upstream"
    assert len(sent(floway)) == 2


# --- clients that leave --------------------------------------------------------------------------

SLOW: Json = {**HELLO, "stream": True, "input": "[[pace 50]] [[say 2000]]"}


def leave(port: int, data: bytes, *, read: int = 0) -> None:
    """Send, read that many bytes, and vanish with a reset."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(data)
        seen = 0
        while seen < read:
            got = connection.recv(4096)
            assert got, "the answer ended early"
            seen += len(got)
        linger = (1).to_bytes(4, "little") + bytes(4)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def test_clients_that_leave(floway: Floway, http: httpx.Client) -> None:
    body = json.dumps(SLOW).encode()
    whole = post_head(len(body)) + body
    leave(floway.port, whole[:20])
    leave(floway.port, whole[:-30])
    assert sent(floway) == [], "half a request is no request"
    leave(floway.port, whole)
    leave(floway.port, whole, read=1000)
    stalled = {"kind": "stall", "seconds": 600, "at": "before_headers"}
    floway.sandbox.fault(stalled, path=RESPONSES)
    with socket.create_connection(("127.0.0.1", floway.port), SECONDS) as connection:
        connection.sendall(whole)
        until(lambda: any(entry["fault"] for entry in sent(floway)))
    broken_off = "the client left before the answer was complete"
    until(lambda: all(broken_off in entry["notes"] for entry in sent(floway)))
    assert 2 <= len(sent(floway)) <= 3
    assert http.post("/v1/responses", json=HELLO).json()["status"] == "completed"


def test_many_clients_that_leave_at_any_time(floway: Floway, http: httpx.Client) -> None:
    body = json.dumps(SLOW).encode()
    whole = post_head(len(body)) + body
    with ThreadPoolExecutor(8) as pool:
        cuts = range(1, len(whole), 7)
        list(pool.map(lambda cut: leave(floway.port, whole[:cut]), cuts))
        list(pool.map(lambda read: leave(floway.port, whole, read=read), range(0, 4000, 200)))
    assert http.post("/v1/responses", json=HELLO).json()["status"] == "completed"


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong-client-key"},
        {"x-api-key": ""},
        {"api-key": KEYS[0][:-1]},
    ],
)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions", RESPONSES])
def test_a_wrong_key(guarded: Floway, headers: dict[str, str], path: str) -> None:
    guarded.sandbox.forget()
    with httpx.Client(base_url=guarded.url, trust_env=False, headers=headers) as client:
        answer = client.post(path, json=HELLO)
        error = error_of(answer, 401)
        assert error["code"] == "invalid_api_key"
        assert error["type"] == "invalid_request_error"
        assert error_of(client.get("/v1/models"), 401)["code"] == "invalid_api_key"
        for value in headers.values():
            assert not value or value.split()[-1] not in answer.text
    assert sent(guarded) == []


@pytest.mark.slow
def test_a_key_never_goes_upstream(guarded: Floway) -> None:
    guarded.sandbox.forget()
    for headers in (
        {"authorization": f"Bearer {KEYS[0]}"},
        {"x-api-key": KEYS[1]},
        {"api-key": KEYS[0], "authorization": "Bearer something-else"},
    ):
        with httpx.Client(base_url=guarded.url, trust_env=False, headers=headers) as client:
            assert client.post("/v1/responses", json=HELLO).status_code == 200
            assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
            assert client.get("/v1/models").status_code == 200
            assert client.get("/backend-api/wham/usage").status_code == 200
    assert leaks(guarded.sandbox.requests(), [*KEYS, "something-else"]) == []


# --- WebSocket and what an account can read ------------------------------------------------------


def ask(connection: Any, **body: Any) -> Json:
    """A ``response.create`` and the event that ends its answer."""
    connection.send(json.dumps({"type": "response.create", "model": "gpt-5.5", **body}))
    while True:
        event: Json = json.loads(connection.recv(SECONDS))
        if event["type"] in ("response.completed", "response.failed", "error"):
            return event


def test_a_websocket_goes_on_from_a_response(floway: Floway) -> None:
    with connect(f"ws://127.0.0.1:{floway.port}/v1/responses") as connection:
        first = ask(connection, input=[{"role": "user", "content": "hello"}])["response"]
        again = [{"role": "user", "content": "again"}]
        second = ask(connection, previous_response_id=first["id"], input=again)["response"]
        wrong = ask(connection, previous_response_id="resp_nope", input=again)
        connection.send("not JSON")
        refused: Json = json.loads(connection.recv(SECONDS))
        last = ask(connection, input=again)["response"]
    assert second["previous_response_id"] == first["id"]
    assert model_requests(sent(floway))[1].body["previous_response_id"] == first["id"]
    assert wrong["error"]["code"] == "previous_response_not_found"
    assert refused["error"]["code"] == "invalid_json"
    assert last["status"] == "completed"


def test_reasoning_that_the_account_cannot_read_is_left_out(
    http: httpx.Client, floway: Floway
) -> None:
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAAsomebody-elses"}
    history = [{"role": "user", "content": "hello"}, sealed, {"role": "user", "content": "again"}]
    body = {**HELLO, "input": history, "prompt_cache_key": "one"}
    for attempts in (2, 1):  # the second time it is known
        floway.sandbox.forget()
        answer = http.post("/v1/responses", json=body)
        assert answer.status_code == 200, answer.text
        seen = [[item["type"] for item in r.body["input"]] for r in model_requests(sent(floway))]
        assert len(seen) == attempts
        assert seen[-1] == ["message", "message"]


# --- the forward proxy ---------------------------------------------------------------------------


def through(floway: Floway, target: str) -> socket.socket:
    """A connection through floway's forward proxy, after its CONNECT."""
    connection = socket.create_connection(("127.0.0.1", floway.port), SECONDS)
    connection.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            break
        head += data
    assert head.startswith(b"HTTP/1.1 200 "), head
    return connection


def test_other_hosts_are_tunnelled_untouched(floway: Floway, authority: TestAuthority) -> None:
    answer = b"anything \x00\xff but HTTP"
    with RawServer(answer, authority, "elsewhere.test") as server:
        context = ssl.create_default_context(cafile=str(authority.file))
        with (
            through(floway, f"127.0.0.1:{server.port}") as raw,
            context.wrap_socket(raw, server_hostname="elsewhere.test") as tls,
        ):
            assert tls.getpeercert(binary_form=True) == server.certificate
            tls.sendall(b"not HTTP either\r\n\r\n")
            tls.settimeout(SECONDS)
            assert tls.recv(4096) == answer
    assert server.received == b"not HTTP either\r\n\r\n"


ODD_REQUEST = (
    b"PATCH /some/path;a=b?q=%%7e&&x HTTP/1.1\r\nHost: localhost:%d\r\nX-Case: KePt\r\n"
    b"x-case: twice\r\nContent-Length: 4\r\n\r\n\x00\xff{!"
)
ODD_ANSWER = (
    b"HTTP/1.1 203 Fine By Me\r\nServer: own\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n"
    b"Content-Length: 5\r\n\r\n\x01\x02\r\n\x03"
)


@pytest.mark.parametrize("secure", [True, False])
def test_other_paths_of_a_named_host_pass_byte_for_byte(
    floway: Floway, authority: TestAuthority, secure: bool
) -> None:
    with RawServer(ODD_ANSWER, authority if secure else None, "localhost") as server:
        if secure:
            request = ODD_REQUEST % server.port
            context = ssl.create_default_context(cafile=str(floway.ca_file))
            raw = through(floway, f"localhost:{server.port}")
            connection: socket.socket = context.wrap_socket(raw, server_hostname="localhost")
        else:
            request = ODD_REQUEST % server.port
            connection = socket.create_connection(("127.0.0.1", floway.port), SECONDS)
        with connection:
            line = b"http://localhost:%d/some" % server.port
            connection.sendall(request if secure else request.replace(b"/some", line, 1))
            got = b""
            while len(got) < len(ODD_ANSWER):
                data = connection.recv(4096)
                assert data, got
                got += data
    assert got == ODD_ANSWER
    assert server.received == request
    assert floway.sandbox.requests() == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "127.1"])
def test_floway_connects_to_none_of_its_own_ports(floway: Floway, name: str) -> None:
    control = int(floway.sandbox.url.rpartition(":")[2])
    for port in (floway.port, control):
        target = f"{name}:{port}"
        if port == control:
            request = f"GET http://{target}/_sandbox/ HTTP/1.1\r\nhost: {target}\r\n\r\n"
            plain = _first(floway.port, request.encode())
            assert plain.startswith(b"HTTP/1.1 502 "), plain[:200]
            assert b"own ports" in plain
        with socket.create_connection(("127.0.0.1", floway.port), SECONDS) as connection:
            connection.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode())
            connection.recv(4096)
            connection.sendall(b"GET /_sandbox/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert b'"about"' not in read_all(connection)


def _first(port: int, data: bytes) -> bytes:
    """The first bytes of an answer, up to a mebibyte or a pause."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(data)
        got = connection.recv(65536)
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while len(got) < 1024 * 1024 and (more := connection.recv(65536)):
                got += more
        return got


# --- the judge of all tests with a process -------------------------------------------------------


@pytest.mark.slow
def test_a_traceback_in_the_log_fails_the_test(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("def request(flow):\n    raise RuntimeError('broken on purpose')\n")
    with (
        pytest.raises(ProcessFailed, match="broken on purpose"),
        running_floway(tmp_path / "floway", "-s", str(script)) as floway,
    ):
        httpx.get(f"{floway.url}/healthz", trust_env=False)


@pytest.mark.slow
def test_a_floway_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ProcessFailed, match=r"hold_seconds.*never"),
        running_floway(tmp_path / "floway", floway_hold_seconds="never"),
    ):
        pytest.fail("it started")
