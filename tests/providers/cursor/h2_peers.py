"""The server's side of HTTP/2, in memory and driven by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from addons.providers.cursor.wire.http2 import Happened, Machine

REQUEST = [
    (b":method", b"POST"),
    (b":path", b"/agent.v1.AgentService/Run"),
    (b":authority", b"sandbox.test"),
    (b":scheme", b"https"),
    (b"content-type", b"application/connect+proto"),
]
OK = [(b":status", b"200"), (b"content-type", b"application/connect+proto")]


class Server:
    """h2's own server, which raises when the client breaks a rule: windows above all."""

    def __init__(self, window: int = 65535, max_streams: int = 100) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
            },
        )
        self.h2.initiate_connection()
        self.bodies: dict[int, bytearray] = {}
        self.requests: dict[int, list[tuple[bytes, bytes]]] = {}
        self.ended: set[int] = set()
        self.reset: dict[int, int] = {}

    def received(self, data: bytes) -> list[Event]:
        events = self.h2.receive_data(data)
        for event in events:
            match event:
                case RequestReceived():
                    self.requests[event.stream_id] = list(event.headers)
                    self.bodies[event.stream_id] = bytearray()
                case DataReceived():
                    self.bodies[event.stream_id] += event.data
                case StreamEnded():
                    self.ended.add(event.stream_id)
                case StreamReset():
                    self.reset[event.stream_id] = int(event.error_code)
        return events

    def take(self) -> bytes:
        return self.h2.data_to_send()


def goaway(last: int, code: int = 0, text: bytes = b"") -> bytes:
    """The bytes of a GOAWAY; h2's own would close the server as well."""
    frame = GoAwayFrame(0)
    frame.last_stream_id, frame.error_code, frame.additional_data = last, code, text
    return frame.serialize()


def exchange(machine: Machine, server: Server) -> list[Happened]:
    """Pass bytes both ways until neither side has any."""
    happened: list[Happened] = []
    while True:
        up, down = machine.outgoing(), server.take()
        if not up and not down:
            return happened
        if up:
            server.received(up)
        if down:
            happened += machine.received(down)


def connected(
    window: int = 65535, max_streams: int = 100, headers: Iterable[Sequence[bytes]] = ()
) -> tuple[Machine, Server]:
    """A machine and a server that know each other's settings."""
    machine, server = Machine(), Server(window, max_streams)
    exchange(machine, server)
    return machine, server
