"""The bench's upstream: what it answers, and that its HTTP/2 side frames as it says."""

from __future__ import annotations

import asyncio
import json

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from h2.settings import SettingCodes

from replay.bench.answers import events
from replay.bench.upstream.http1 import Http1Server
from replay.bench.upstream.http2 import Http2Server
from replay.bench.upstream.script import Script, is_model_request

MARKER = b"0be9c429"


def head(session: str, account: str = "0BE9C429-1") -> bytes:
    return f"POST /responses\r\nchatgpt-account-id: {account}\r\nSession-Id: {session}\r\n".encode()


class Wire(asyncio.Transport):
    """Keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))


def script(deltas: int = 3, *, one_write: bool = False, marker: bytes = b"") -> Script:
    made = Script(marker=marker, model="m")
    made.prepare(deltas, one_write)
    return made


@pytest.mark.parametrize(
    ("method", "path", "model"),
    [
        ("POST", "/backend-api/codex/responses", True),
        ("POST", "/v1/responses?x=1", True),
        ("GET", "/v1/responses", False),
        ("POST", "/v1/responses/compact", False),
    ],
)
def test_model_requests(method: str, path: str, model: bool):
    assert is_model_request(method, path) is model


def test_each_session_is_refused_every_second_time():
    made = script(marker=MARKER)
    assert [made.take(head("a")) for _ in range(4)] == [True, False, True, False]
    assert made.take(head("b"))
    assert made.take(head("a"))
    assert made.counters() == {"asked": 6, "refused": 2}
    assert made.counters() == {"asked": 0, "refused": 0}


@pytest.mark.parametrize("shared", [True, False])
def test_a_conversation_that_stays_where_it_was_answered_meets_one_refusal(shared: bool):
    """Whether its session id is the same with all accounts or one for each."""
    made = script(marker=MARKER)
    current, refusals = 0, []
    for _ in range(6):
        refused = 0
        while not made.take(head("s" if shared else f"s{current}")):
            refused += 1
            current = 1 - current
        refusals.append(refused)
    assert refusals == [0, 1, 1, 1, 1, 1]


def test_others_are_never_refused():
    made = script(marker=MARKER)
    assert all(made.take(head("a", account="other")) for _ in range(4))
    assert all(made.take(b"POST /responses\r\nx: 0be9c429\r\n") for _ in range(4))


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_http1_answers_each_whole_request(step: int):
    wire = Wire()
    server = Http1Server(script())
    server.connection_made(wire)
    request = b"POST /v1/responses HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"
    for round_number in (1, 2):
        for at in range(0, len(request), step):
            assert len(wire.writes) == (round_number - 1) * 11
            server.data_received(request[at : at + step])
        assert len(wire.writes) == round_number * 11
    assert wire.writes[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.writes[10].endswith(b"\r\n0\r\n\r\n")


def test_http1_short_answers_are_one_write():
    wire = Wire()
    server = Http1Server(script(one_write=True))
    server.connection_made(wire)
    server.data_received(b"POST /v1/responses HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
    assert len(wire.writes) == 1


def test_http1_side_calls_and_refusals():
    wire = Wire()
    server = Http1Server(script(marker=MARKER))
    server.connection_made(wire)
    server.data_received(b"GET /codex/models?client_version=1 HTTP/1.1\r\nhost: a\r\n\r\n")
    server.data_received(b"GET /wham/usage HTTP/1.1\r\nhost: a\r\n\r\n")
    for _ in range(2):
        server.data_received(b"POST /responses HTTP/1.1\r\nsession-id: s\r\nx: 0be9c429\r\n\r\n")
    models, usage, *_, refusal = wire.writes
    assert json.loads(models.partition(b"\r\n\r\n")[2]) == {"models": [{"slug": "m"}]}
    assert usage.startswith(b"HTTP/1.1 404")
    assert refusal.startswith(b"HTTP/1.1 429")
    assert b"retry-after: 0\r\n" in refusal


def test_http1_refuses_to_guess():
    server = Http1Server(script())
    server.connection_made(Wire())
    with pytest.raises(ValueError, match="without content-length"):
        server.data_received(b"POST /responses HTTP/1.1\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


class Pair:
    """An h2 client in front of the server, without sockets."""

    def __init__(self, made: Script, window: int = 2**20) -> None:
        self.client = H2Connection(H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.wire = Wire()
        self.server = Http2Server(made)
        self.server.connection_made(self.wire)
        self.statuses: dict[int, bytes] = {}
        self.frames: dict[int, list[bytes]] = {}
        self.ended: set[int] = set()
        self.exchange()

    def exchange(self) -> None:
        while sent := self.client.data_to_send():
            self.server.data_received(sent)
            writes, self.wire.writes = self.wire.writes, []
            for event in self.client.receive_data(b"".join(writes)):
                match event:
                    case ResponseReceived(stream_id=int(number), headers=list(headers)):
                        self.statuses[number] = dict(headers)[b":status"]
                    case DataReceived(stream_id=int(number), data=bytes(data)):
                        self.frames.setdefault(number, []).append(data)
                        self.client.acknowledge_received_data(len(data), number)
                    case StreamEnded(stream_id=int(number)):
                        self.ended.add(number)

    def post(self, number: int, body: bytes = b"", path: str = "/codex/responses") -> None:
        headers = [(":method", "POST"), (":scheme", "https"), (":path", path)]
        headers += [(":authority", "a"), ("session-id", "s"), ("x", "0be9c429")]
        self.client.send_headers(number, headers, end_stream=not body)
        while body:
            room = min(self.client.local_flow_control_window(number), 16_384)
            assert room > 0
            self.client.send_data(number, body[:room], end_stream=len(body) <= room)
            body = body[room:]
            self.exchange()
        self.exchange()


def test_http2_sends_a_frame_for_each_event():
    pair = Pair(script(5))
    pair.post(1, b"x" * 300_000)
    pair.post(3)
    for number in (1, 3):
        assert pair.statuses[number] == b"200"
        assert pair.frames[number] == events(5, "m")
    assert pair.ended == {1, 3}


def test_http2_short_answers_are_as_few_frames_as_can_be():
    pair = Pair(script(5, one_write=True))
    pair.post(1)
    assert pair.frames[1] == [b"".join(events(5, "m"))]


@pytest.mark.parametrize("one_write", [True, False])
def test_http2_waits_for_the_window(one_write: bool):
    pair = Pair(script(400, one_write=one_write), window=20_000)
    pair.post(1)
    assert b"".join(pair.frames[1]) == b"".join(events(400, "m"))
    assert pair.ended == {1}


def test_http2_refusals_side_calls_and_resets():
    pair = Pair(script(400, marker=MARKER), window=20_000)
    pair.post(1)
    pair.post(3)
    assert pair.statuses == {1: b"200", 3: b"429"}
    pair.post(5, path="/codex/responses/compact")
    assert pair.statuses[5] == b"404"
    pair.client.send_headers(
        7, [(":method", "POST"), (":scheme", "https"), (":path", "/responses"), (":authority", "a")]
    )
    pair.client.reset_stream(7)
    pair.exchange()
    pair.post(9)
    assert pair.ended == {1, 3, 5, 9}
