"""The recorder as its users start it: a mitmdump process with the script, and without floway."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from fingerprints import leaks, trace_file
from fingerprints.trace import Trace
from replay.child import Child
from replay.floway_process import MITMDUMP, NEVER
from replay.interchange.files import Labels, load
from tests.floway_process import ROOT, clean_environment, until

pytestmark = pytest.mark.slow

SECONDS = 20.0
META = {"client": "probe", "release": "1.0", "scenario": "turn", "conditions": {"surface": "sdk"}}
FILE = Path("probe", "1.0", "turn-sdk-http-1.trace.json")
LISTENS = re.compile(r"listening at \S*?:(\d+)")


class Upstream(BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"
    go_on = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        if self.path.startswith("/stream"):
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._chunk(b'event: a\ndata: {"n":1}\n\n')
            if self.go_on.wait(SECONDS):
                self._chunk(b"data: [DO")
                self._chunk(b"NE]\n\n")
                self.wfile.write(b"0\r\n\r\n")
            return
        body = b'{"ok":true}'
        self.send_header("Set-Cookie", "sid=0123456789abcdef; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def upstream() -> Iterator[str]:
    Upstream.go_on.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Upstream.go_on.set()
    server.shutdown()
    server.server_close()


class Recorder(Child):
    """A mitmdump with the script."""

    stop_seconds = SECONDS

    def __init__(self, home: Path, *arguments: str, **options: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        script = ROOT / "addons/debug/capture_script.py"
        command = [MITMDUMP, "-p", "0", "-s", script, *arguments]
        options = {"confdir": str(home / "mitm"), "connection_strategy": "lazy", **options}
        for name, value in options.items():
            command += ["--set", f"{name}={value}"]
        environment = clean_environment(home / "user", PYTHONUNBUFFERED="1")
        super().__init__("mitmdump", command, home / "log", environment=environment)

    @property
    def url(self) -> str:
        until(lambda: bool(LISTENS.search(self.log())), 60.0, "it does not listen")
        found = LISTENS.search(self.log())
        assert found is not None
        return f"http://127.0.0.1:{found[1]}"


@contextlib.contextmanager
def recording(home: Path, *arguments: str, **options: str) -> Iterator[Recorder]:
    given = {"floway_capture": str(home / "out"), "floway_capture_trace": json.dumps(META)}
    with Recorder(home, *arguments, **{**given, **options}) as recorder:
        yield recorder
    assert not [word for word in NEVER if word in recorder.log()], recorder.log()


def client(recorder: Recorder) -> httpx.Client:
    return httpx.Client(proxy=recorder.url, trust_env=False, timeout=SECONDS)


def of(home: Path) -> Trace:
    return trace_file.read(home / "out" / FILE)


def test_one_trace_of_a_run(tmp_path: Path, upstream: str) -> None:
    maker = zstandard.ZstdCompressor(level=3, write_content_size=False).compressobj()
    raw = maker.compress(b'{"model":"m","cwd":"/srv/app"}') + maker.flush()
    headers = [
        ("X-Mixed-Case", "1"),
        ("x-mixed-case", "2"),
        ("Content-Encoding", "zstd"),
        ("authorization", "Bearer sk-abcdefgh12345678"),
    ]
    with recording(tmp_path) as recorder:
        with client(recorder) as http:
            http.post(f"{upstream}/one", content=raw, headers=headers)
            http.post(f"{upstream}/two", json={"a": "see /srv/app"})
        with client(recorder) as http:
            http.post(f"{upstream}/three")
    trace = of(tmp_path)
    assert trace.name == "probe@1.0/turn-sdk-http#1"
    assert trace.origin.tool == "floway capture"
    one, two, three = trace.exchanges
    assert [each.path for each in trace.exchanges] == ["/one", "/two", "/three"]
    assert [each.connection for each in trace.exchanges] == [1, 1, 2]
    assert {each.side for each in trace.exchanges} == {""}
    assert (one.method, one.scheme, one.http_version) == ("POST", "http", "HTTP/1.1")
    assert one.authority == upstream.removeprefix("http://")
    sent = [pair for pair in one.headers if pair[0] in dict(headers)]
    assert sent == [*headers[:3], ("authorization", "Bearer sk-⟨secret:1⟩")]
    assert one.body is not None
    assert one.body.coding is not None
    assert (one.body.data, one.body.coding.level) == ({"model": "m", "cwd": "⟨path:1⟩"}, 3)
    assert two.body is not None
    assert two.body.data == {"a": "see ⟨path:1⟩"}
    assert two.header("cookie") == "sid=⟨secret:2⟩"
    assert three.body is None
    assert one.answer is not None
    assert one.answer.body is not None
    assert (one.answer.status, one.answer.body.data) == (200, {"ok": True})
    assert dict(one.answer.headers)["Set-Cookie"] == "sid=⟨secret:2⟩; Path=/"
    assert leaks.in_trace(trace) == []


def test_a_stream_comes_as_it_comes(tmp_path: Path, upstream: str) -> None:
    with (
        recording(tmp_path) as recorder,
        client(recorder) as http,
        http.stream("POST", f"{upstream}/stream") as answer,
    ):
        pieces = answer.iter_bytes()
        first = next(pieces)
        Upstream.go_on.set()  # it waits for this: the first event is here before the second
        rest = b"".join(pieces)
    assert first + rest == b'event: a\ndata: {"n":1}\n\ndata: [DONE]\n\n'
    [exchange] = of(tmp_path).exchanges
    assert exchange.answer is not None
    found = [(each.event, each.payload.data) for each in exchange.answer.events]
    assert found == [("a", {"n": 1}), ("", "[DONE]")]
    assert exchange.answer.events[0].at <= exchange.answer.events[1].at
    assert exchange.answer.ended == "complete"


def test_what_is_open_at_the_end_is_cut(tmp_path: Path, upstream: str) -> None:
    with (
        recording(tmp_path) as recorder,
        client(recorder) as http,
        http.stream("POST", f"{upstream}/stream") as answer,
    ):
        next(answer.iter_bytes())
        recorder.stop()
    [exchange] = of(tmp_path).exchanges
    assert exchange.answer is not None
    assert exchange.answer.ended == "cut"
    assert [each.event for each in exchange.answer.events] == ["a"]


def test_it_is_there_before_the_end(tmp_path: Path, upstream: str) -> None:
    with recording(tmp_path) as recorder, client(recorder) as http:
        http.post(f"{upstream}/one")
        until((tmp_path / "out" / FILE).exists, SECONDS, "nothing is written")
        recorder.process.kill()
        recorder.process.wait(SECONDS)
    assert [each.path for each in of(tmp_path).exchanges] == ["/one"]


def test_no_connection_gives_no_answer(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder, client(recorder) as http:
        assert http.post("http://127.0.0.1:9/one").status_code == 502
    [exchange] = of(tmp_path).exchanges
    assert exchange.answer is None
    assert exchange.notes[0].startswith("no answer: ")


def test_a_websocket_and_the_same_from_a_flow_file(tmp_path: Path) -> None:
    def echo(socket: ServerConnection) -> None:
        for message in socket:
            socket.send(message)

    flows = tmp_path / "flows.mitm"
    with (
        serve(echo, "127.0.0.1", 0) as server,
        recording(tmp_path, "-w", str(flows)) as recorder,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        with connect(f"ws://127.0.0.1:{port}/socket", proxy=recorder.url) as socket:
            socket.send('{"type":"hello","cwd":"/srv/app"}')
            assert json.loads(socket.recv(SECONDS))["type"] == "hello"
            socket.send(b"\x00\x01")
            assert socket.recv(SECONDS) == b"\x00\x01"
        until(lambda: (tmp_path / "out" / FILE).exists(), SECONDS, "nothing is written")
    trace = of(tmp_path)
    [exchange] = trace.exchanges
    assert exchange.is_upgrade
    assert [(each.sender, each.payload.form) for each in exchange.messages] == [
        ("client", "json"),
        ("server", "json"),
        ("client", "binary"),
        ("server", "binary"),
    ]
    assert exchange.messages[0].payload.data == {"type": "hello", "cwd": "⟨path:1⟩"}
    assert exchange.answer is not None
    assert (exchange.answer.status, exchange.answer.ended) == (101, "closed")
    assert (exchange.answer.close_code, exchange.answer.closed_by) == (1000, "client")

    imported = load(flows, Labels("probe", "1.0", "turn"))
    assert imported.exchanges == trace.exchanges
    assert imported.conditions.transport == "websocket"


def test_only_what_matches(tmp_path: Path, upstream: str) -> None:
    with (
        recording(tmp_path, floway_capture_match="~u /two") as recorder,
        client(recorder) as http,
    ):
        for path in ("/one", "/two"):
            http.post(upstream + path)
    assert [each.path for each in of(tmp_path).exchanges] == ["/two"]


def test_a_run_without_requests_is_a_trace(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        assert recorder.url
    assert of(tmp_path).exchanges == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"floway_capture_trace": "{"}, "floway_capture_trace: "),
        ({"floway_capture_trace": '{"client":"Not So"}'}, "floway_capture_trace: client: "),
        ({"floway_capture_trace": "no/such/file"}, "floway_capture_trace: "),
        ({"floway_capture_match": "~nonsense ("}, "floway_capture_match: "),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with Recorder(tmp_path, floway_capture=str(tmp_path / "out"), **options) as recorder:
        assert recorder.process.wait(60) != 0
    assert message in recorder.log()
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, upstream: str) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with (
        recording(tmp_path, floway_capture=str(blocked / "deep")) as recorder,
        client(recorder) as http,
    ):
        for _ in range(3):
            assert http.post(f"{upstream}/one").status_code == 200
    assert recorder.log().count("traces cannot be written") == 1


def test_live_traces_are_named_by_the_user_agent(tmp_path: Path, upstream: str) -> None:
    with recording(tmp_path, floway_capture_trace="") as recorder:
        for _ in range(2):
            with client(recorder) as http:
                http.post(f"{upstream}/one", headers={"user-agent": "Some Client/1"})
                http.post(f"{upstream}/two", headers={"user-agent": "Some Client/1"})
    found = trace_file.find([tmp_path / "out"])
    assert [file.parts[-3:-1] for file in found] == [("some", "unknown")] * 2
    assert all(file.name.startswith("live-") for file in found)
    for file in found:
        assert [each.path for each in trace_file.read(file).exchanges] == ["/one", "/two"]
