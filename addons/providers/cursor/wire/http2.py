"""The client's side of one HTTP/2 connection, without I/O (cursor-protocol.md §4.1).

Frames, header compression and states are h2's. What is added here: sending as far as the windows
allow and no further, errors of this provider's own types, and a GOAWAY that lets running streams
end. h2 takes any GOAWAY for the end of the connection; RFC 9113 §6.8 says otherwise, and a load
balancer that is drained gives its open streams time to finish.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from addons.providers.cursor.failures import errors

type HeaderList = list[tuple[bytes, bytes]]

MAX_STREAMS: Final = 64
"""Runs that share one connection, at most."""

STREAM_WINDOW: Final = 1024 * 1024
"""Bytes that the server may send ahead of a run that is not read."""

CONNECTION_WINDOW: Final = MAX_STREAMS * STREAM_WINDOW
"""Room for all of them: a run that nobody reads must not stop the others."""

SEND_AT_ONCE: Final = 256 * 1024
"""Most bytes that one :meth:`Machine.send` takes, so that little lies in our buffers."""

PING: Final = b"floway  "

_FRAME_HEADER = 9
_GOAWAY = b"\x07"


@dataclass(frozen=True, slots=True)
class Head:
    """Response headers. ``status`` is a number of three digits."""

    stream: int
    status: int
    headers: HeaderList


@dataclass(frozen=True, slots=True)
class Data:
    """Body bytes. ``cost``: what :meth:`Machine.acknowledge` is to be told, padding included."""

    stream: int
    data: bytes
    cost: int


@dataclass(frozen=True, slots=True)
class Trailers:
    stream: int
    headers: HeaderList


@dataclass(frozen=True, slots=True)
class Ended:
    """The server has ended the stream well, below the Connect protocol."""

    stream: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream has failed; nothing more comes of it."""

    stream: int
    error: errors.TransportError


@dataclass(frozen=True, slots=True)
class Writable:
    """More may fit into the windows now. ``stream`` 0: of all streams."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The server's first SETTINGS have come; streams may be opened."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to :meth:`Machine.ping`."""


type Happened = Head | Data | Trailers | Ended | Failed | Writable | Ready | Pong


class Machine:
    """One connection.

    Attributes:
        ready: the server's settings are known. Before that nothing should be sent on streams: a
            server with small windows may punish what does not fit (cursor-protocol.md §4.1 no. 3).
        goaway: the server is closing; no new streams.
        broken: the connection can't be used any more.
    """

    def __init__(self) -> None:
        self._h2 = H2Connection(
            H2Configuration(client_side=True, header_encoding=None, normalize_outbound_headers=True)
        )
        # Set, not updated: the first SETTINGS frame holds only values that are in force already.
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: 64 * 1024,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(
            CONNECTION_WINDOW - self._h2.inbound_flow_control_window
        )
        self._incoming = bytearray()
        self._open: set[int] = set()
        self._ended_by_us: set[int] = set()
        self.ready = False
        self.goaway: errors.Goaway | None = None
        self.broken: errors.TransportError | None = None

    # --- sending ---

    def outgoing(self) -> bytes:
        """What is to be written to the network now."""
        return self._h2.data_to_send()

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return len(self._open)

    @property
    def capacity(self) -> int:
        """Streams that may be opened now."""
        if self.broken is not None or self.goaway is not None or not self.ready:
            return 0
        allowed = min(MAX_STREAMS, self._h2.remote_settings.max_concurrent_streams)
        return max(0, allowed - len(self._open))

    def open(self, headers: Sequence[tuple[bytes, bytes]]) -> int:
        """Begin a request; the number of its stream.

        Args:
            headers: pseudo headers first.

        Raises:
            TransportError: none can be opened; ``unprocessed``.
        """
        if self.capacity <= 0:
            raise errors.ConnectFailed("The connection takes no further streams.")
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, headers)
        except H2Error as error:
            raise errors.ConnectFailed(
                f"A stream could not be opened: {_reason(error)}."
            ) from error
        self._open.add(stream)
        return stream

    def send(self, stream: int, data: memoryview) -> int:
        """Send as much of ``data`` as the windows allow; how many bytes that were.

        Raises:
            TransportError: the stream is not open.
        """
        self._check(stream)
        sent = 0
        try:
            while sent < len(data) and sent < SEND_AT_ONCE:
                room = min(
                    self._h2.local_flow_control_window(stream),
                    self._h2.max_outbound_frame_size,
                    len(data) - sent,
                )
                if room <= 0:  # a window that shrank may be below zero
                    break
                self._h2.send_data(stream, bytes(data[sent : sent + room]))
                sent += room
        except H2Error as error:
            raise errors.ConnectionLost(f"A stream broke: {_reason(error)}.") from error
        return sent

    def finish(self, stream: int) -> None:
        """End our half of the stream; the server may go on."""
        if stream in self._open and stream not in self._ended_by_us and self.broken is None:
            self._ended_by_us.add(stream)
            self._h2.end_stream(stream)

    def cancel(self, stream: int) -> None:
        """Reset the stream. What still comes for it is dropped."""
        if stream in self._open and self.broken is None:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        self._forget(stream)

    def acknowledge(self, stream: int, cost: int) -> None:
        """Bytes that were taken: the server may send as many more."""
        if cost and self.broken is None:
            self._h2.acknowledge_received_data(cost, stream)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self.broken is None:
            self._h2.ping(PING)

    def close(self) -> None:
        """Say goodbye; the connection is not used any more."""
        if self.broken is None:
            self._h2.close_connection()
            self.broken = errors.ConnectionLost("The connection is closed.")

    # --- receiving ---

    def received(self, data: bytes) -> list[Happened]:
        """What the server's bytes mean. How they are cut has no meaning."""
        happened: list[Happened] = []
        self._incoming += data
        for frame in self._frames(happened):
            if self.broken is not None:
                break
            if frame[3:4] == _GOAWAY:
                happened += self._closing(frame[_FRAME_HEADER:])
                continue
            try:
                for event in self._h2.receive_data(frame):
                    happened += self._translated(event)
            except H2Error as error:
                happened += self.lost(errors.BrokenStream(_reason(error)))
        return happened

    def lost(self, error: errors.TransportError) -> list[Happened]:
        """The connection has ended: every open stream fails.

        Where the server has said before that it is going, that is why.
        """
        if self.broken is None:
            ended = isinstance(error, errors.ConnectionLost)
            self.broken = self.goaway if ended and self.goaway else error
        happened: list[Happened] = [Failed(stream, self.broken) for stream in sorted(self._open)]
        self._open.clear()
        return happened

    def _frames(self, happened: list[Happened]) -> Iterator[bytes]:
        """Whole frames. One at a time: what h2 finds wrong in one must not cost the others."""
        incoming = self._incoming
        place = 0
        while len(incoming) - place >= _FRAME_HEADER:
            length = int.from_bytes(incoming[place : place + 3])
            stop = place + _FRAME_HEADER + length
            if length > self._h2.max_inbound_frame_size and self.broken is None:
                self._h2.close_connection(ErrorCodes.FRAME_SIZE_ERROR)
                happened += self.lost(errors.BrokenStream(f"a frame of {length} bytes"))
                break
            if stop > len(incoming):
                break
            yield bytes(incoming[place:stop])
            place = stop
        del incoming[:place]

    def _closing(self, payload: bytes) -> list[Happened]:
        """A GOAWAY: streams after the last one that it names were not processed.

        With an error code the others are not going to end well either.
        """
        if len(payload) < 8:
            return self.lost(errors.BrokenStream("a GOAWAY frame is too short"))
        last = int.from_bytes(payload[:4]) & 0x7FFFFFFF
        code = int.from_bytes(payload[4:8])
        text = payload[8 : 8 + 500].decode("utf-8", "replace")
        self.goaway = errors.Goaway(code, text)
        unprocessed = errors.Goaway(code, text, unprocessed=True)
        gone = sorted(stream for stream in self._open if code or stream > last)
        for stream in gone:
            self._forget(stream)
        return [Failed(stream, unprocessed if stream > last else self.goaway) for stream in gone]

    def _translated(self, event: Event) -> Iterable[Happened]:
        match event:
            case DataReceived(stream_id=stream, data=data, flow_controlled_length=cost):
                if stream in self._open:
                    return [Data(stream, data, cost)]
                self.acknowledge(stream, cost)
            case ResponseReceived(stream_id=stream, headers=headers) if stream in self._open:
                return self._head(stream, [(bytes(name), bytes(value)) for name, value in headers])
            case TrailersReceived(stream_id=stream, headers=headers) if stream in self._open:
                return [Trailers(stream, [(bytes(name), bytes(value)) for name, value in headers])]
            case StreamEnded(stream_id=stream) if stream in self._open:
                self.finish(stream)
                self._forget(stream)
                return [Ended(stream)]
            case StreamReset(stream_id=stream, error_code=code) if stream in self._open:
                self._forget(stream)
                return [Failed(stream, errors.StreamReset(int(code)))]
            case WindowUpdated(stream_id=stream):
                return [Writable(stream or 0)]
            case RemoteSettingsChanged():
                first, self.ready = not self.ready, True
                return [Ready(), Writable(0)] if first else [Writable(0)]
            case PingAckReceived():
                return [Pong()]
        return []

    def _head(self, stream: int, headers: HeaderList) -> list[Happened]:
        status = dict(headers).get(b":status", b"")
        if len(status) == 3 and status.isdigit() and status[:1] in b"12345":
            rest = [pair for pair in headers if not pair[0].startswith(b":")]
            return [Head(stream, int(status), rest)]
        self.cancel(stream)
        problem = f"the answer has the status {status[:20].decode('latin-1')!r}"
        return [Failed(stream, errors.BrokenStream(problem))]

    def _check(self, stream: int) -> None:
        if self.broken is not None:
            raise self.broken
        if stream not in self._open:
            raise errors.ConnectionLost("The stream is over.")

    def _forget(self, stream: int) -> None:
        self._open.discard(stream)
        self._ended_by_us.discard(stream)


def _reason(error: H2Error) -> str:
    """Our own words where h2 has put numbers of the peer's into an object's text."""
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:200].rstrip(".")
