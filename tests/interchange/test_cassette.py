"""Cassettes: vcrpy's own are read, and ours are replayed by vcrpy."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import vcr
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fingerprints import leaks
from fingerprints.capture import Capture, RawAnswer, RawMessage, Recording
from fingerprints.serial import dumps_text
from fingerprints.trace import Origin, Trace
from replay.interchange import cassette
from replay.interchange.errors import InterchangeError

STREAM = b'event: response.created\ndata: {"n":1}\n\nevent: response.completed\ndata: {"n":2}\n\n'
URL = "https://upstream.example/v1/responses"


def traced(*recordings: Recording) -> Trace:
    capture = Capture(client="x", origin=Origin(tool="t", on="2026-11-21"))
    for recording in recordings:
        capture.add(recording)
    return capture.trace()


def turn(**more: Any) -> Recording:
    headers = [
        ("content-type", "text/event-stream"),
        ("x-request-id", "r1"),
        ("set-cookie", "a=0123456789abcdef; Path=/"),
        ("set-cookie", "b=fedcba9876543210; Path=/"),
        ("content-encoding", "gzip"),
    ]
    given: dict[str, Any] = {
        "id": "1",
        "at": 1.0,
        "method": "POST",
        "authority": "upstream.example",
        "path": "/v1/responses",
        "headers": [
            ("content-type", "application/json"),
            ("authorization", "Bearer sk-abcdefgh123"),
        ],
        "body": b'{"model":"m"}',
        "answer": RawAnswer(1.1, 200, headers, [(1.2, gzip.compress(STREAM))]),
    }
    return Recording(**(given | more))


def player(file: Path) -> Any:
    return vcr.VCR(record_mode="none", match_on=["method", "uri", "body"]).use_cassette(str(file))


@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
def test_vcr_replays_a_trace_as_an_upstream(tmp_path: Path, name: str) -> None:
    as_json = name.endswith(".json")
    text, left_out = cassette.write([traced(turn())], as_json=as_json)
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert left_out == 0
    serializer = "json" if as_json else "yaml"
    with vcr.VCR(
        record_mode="none", serializer=serializer, match_on=["method", "uri"]
    ).use_cassette(str(file)) as tape:
        answer = httpx.post(URL, json={"model": "m"}, trust_env=False)
        assert answer.status_code == 200
        assert answer.content == STREAM
        assert answer.headers["x-request-id"] == "r1"
        assert answer.headers.get_list("set-cookie") == [
            "a=<secret:2>; Path=/",
            "b=<secret:3>; Path=/",
        ]
        assert tape.play_count == 1


def test_the_body_can_be_matched(tmp_path: Path) -> None:
    other = RawAnswer(2.1, 404, [], [(2.2, b"no")])
    trace = traced(turn(), turn(id="2", at=2.0, body=b'{"model":"n"}', answer=other))
    file = tmp_path / "c.yaml"
    file.write_text(cassette.write([trace])[0], encoding="utf-8")
    with player(file):
        second = httpx.post(URL, json={"model": "n"}, trust_env=False)
        first = httpx.post(URL, json={"model": "m"}, trust_env=False)
    assert (first.status_code, second.status_code) == (200, 404)


@given(
    words=st.text(max_size=60) | st.sampled_from(["no", "1", "~", "a: b", "é\u2028\x7f", "\ud83d"])
)
def test_every_text_is_read_by_vcr_s_yaml(words: str) -> None:
    body = json.dumps({"a": words}).encode()
    text, _ = cassette.write([traced(turn(body=body))])
    [interaction] = yaml.safe_load(text)["interactions"]
    [exchange] = traced(turn(body=body)).exchanges
    assert exchange.body is not None
    assert json.loads(interaction["request"]["body"]) == json.loads(dumps_text(exchange.body.data))


def test_what_has_no_place_is_counted() -> None:
    upgrade = turn(headers=[("upgrade", "websocket")], messages=[RawMessage("client", 1.1, b"{}")])
    _, left_out = cassette.write([traced(turn(answer=None), upgrade, turn(id="3", at=3.0))])
    assert left_out == 2


def test_no_secret_is_in_it() -> None:
    text, _ = cassette.write([traced(turn())])
    assert "sk-abcdefgh123" not in text
    assert [leak.kind for leak in leaks.in_file(text) if leak.kind != "token"] == []


class Compressing(BaseHTTPRequestHandler):
    """A server that compresses."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = gzip.compress(b'{"ok":true}')
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_vcr_s_own_cassettes_are_read(tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Compressing)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    file = tmp_path / "own.yaml"
    with vcr.VCR(record_mode="all").use_cassette(str(file)):
        url = f"http://127.0.0.1:{server.server_port}/x"
        httpx.post(url, json={"a": 1}, headers={"x-api-key": "k"}, trust_env=False)
    thread.join()
    server.server_close()
    [exchange] = traced(*cassette.read(file.read_bytes())).exchanges
    assert exchange.header("x-api-key") == "⟨secret:1⟩"
    assert exchange.body is not None
    assert exchange.body.data == {"a": 1}
    assert exchange.answer is not None
    assert exchange.answer.body is not None
    assert exchange.answer.body.data == {"ok": True}


CASSETTE = """
interactions:
- request:
    body: !!binary |
      eyJjd2QiOiIvc3J2L2FwcCJ9
    headers:
      Accept: ['*/*']
      X-Two: ['1', '2']
      Authorization: ['Bearer abcdef123456']
    method: POST
    uri: https://upstream.example:8443/v1/x?a=1
  response:
    body: {string: '{"ok":true}'}
    headers:
      content-type: [application/json]
      content-encoding: [gzip]
    status: {code: 201, message: Created}
version: 1
"""


def test_reads_a_cassette() -> None:
    [exchange] = traced(*cassette.read(CASSETTE)).exchanges
    assert (exchange.method, exchange.authority) == ("POST", "upstream.example:8443")
    assert exchange.path == "/v1/x?a=1"
    assert exchange.headers == (
        ("Accept", "*/*"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("Authorization", "Bearer ⟨secret:1⟩"),
    )
    assert exchange.body is not None
    assert exchange.body.data == {"cwd": "⟨path:1⟩"}
    assert exchange.answer is not None
    assert exchange.answer.body is not None
    assert (exchange.answer.status, exchange.answer.body.data) == (201, {"ok": True})
    assert not exchange.answer.body.problem, "decompressed already, whatever the header says"


def test_reads_json_and_what_is_still_compressed() -> None:
    packed = gzip.compress(b'{"ok":true}')
    data = {
        "interactions": [
            {
                "request": {"method": "GET", "uri": "http://a/", "body": None, "headers": {}},
                "response": {
                    "body": {"base64_string": base64.b64encode(packed).decode()},
                    "headers": {"content-encoding": "gzip"},
                    "status": {"code": 200, "message": "OK"},
                },
            }
        ],
        "version": 1,
    }
    [exchange] = traced(*cassette.read(json.dumps(data))).exchanges
    assert exchange.body is None
    assert exchange.answer is not None
    assert exchange.answer.body is not None
    assert exchange.answer.body.data == {"ok": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.system ['x']", "not YAML without tags of Python"),
        ("a: 1", "interactions is missing"),
        ("interactions: [{}]", r"interactions\[0\]: 'request' is missing"),
        (
            "interactions: [{request: {uri: 'http://a', method: GET, body: [1]}, response: {}}]",
            r"interactions\[0\]: a body is a list",
        ),
    ],
)
def test_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InterchangeError, match=message):
        cassette.read(text)


def test_what_is_written_reads_the_same() -> None:
    before = traced(turn())
    [after] = traced(*cassette.read(cassette.write([before])[0])).exchanges
    [one] = before.exchanges
    assert after.body is not None
    assert one.body is not None
    assert after.body.data == one.body.data
    assert after.answer is not None
    assert one.answer is not None
    assert [each.payload for each in after.answer.events] == [
        each.payload for each in one.answer.events
    ]
