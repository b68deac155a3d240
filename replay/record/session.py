"""One recording: a sandbox, a mitmdump before it, and folders for a client; all gone afterwards.

::

    async with Session(cache, trace, ...) as session:
        ...                              # run the client with session.environment
    session.trace                        # what it sent

The client is told of the proxy by its environment and trusts one certificate authority, the
sandbox's, which the proxy signs with as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import addons
from fingerprints import trace_file
from fingerprints.errors import TraceError
from fingerprints.trace import Trace
from replay.child import neutral_environment
from replay.record import routing
from replay.record.errors import RecordError
from replay.record.processes import child, end_all_at_home
from replay.sandbox import Sandbox, SandboxConfig
from replay.sandbox.certificates import Certificates, ensure_certificates
from replay.sandbox.faults import parse_rule

START_SECONDS = 60.0
_READY = re.compile(r"record: listening on (\d+)")
_LOG_LINES = 60
_STALE = 86400.0
"""Seconds; no recording takes so long."""
_KEPT = ("PATH", "SYSTEMROOT", "COMSPEC", "PATHEXT")
_MITMDUMP = "from mitmproxy.tools.main import mitmdump; mitmdump()"
_REFUSE_UPGRADES = {
    "match": {"transport": "upgrade"},
    "times": None,
    "fault": {"kind": "refuse_upgrade", "status": 426},
}


class Session:
    """See above.

    Args:
        cache: folder for scratch folders and the certificate authority.
        head: the trace without exchanges: client, release, scenario, conditions, origin. What the
            upstream offers follows from its conditions.

    Attributes:
        sandbox: serves every host.
        home: the client's home folder.
        work: its working folder, empty.
        environment: for the client; nothing of this process's own but the search path.
        port: of the proxy.
        match: mitmproxy filter: what is kept of the traffic; "" for all of it.
    """

    match = ""

    def __init__(self, cache: Path, head: Trace) -> None:
        self._cache = cache
        self._head = head
        self._stack = contextlib.AsyncExitStack()
        self._trace: Trace | None = None
        self._log: deque[str] = deque(maxlen=_LOG_LINES)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self._scratch = stack.enter_context(_scratch(self._cache))
            self.home, self.work = self._scratch / "home", self._scratch / "project"
            for folder in (self.home, self.work, self._scratch / "tmp"):
                folder.mkdir()
            certificates = ensure_certificates(self._cache / "authority")
            ports = await stack.enter_async_context(self.upstream(certificates))
            self.port = await stack.enter_async_context(self._proxy(certificates, ports))
            stack.push_async_callback(asyncio.to_thread, end_all_at_home, self.home)
            self.environment = self._environment(self.port, certificates.ca_file)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self._stack.__aexit__(*exception)

    @property
    def trace(self) -> Trace:
        """What was recorded; only after the session.

        Raises:
            RecordError: nothing was.
        """
        if self._trace is None:
            raise RecordError("the proxy wrote no trace", "\n".join(self._log))
        return self._trace

    def log(self) -> str:
        """The last lines of the proxy's log."""
        return "\n".join(self._log)

    @contextlib.asynccontextmanager
    async def upstream(self, certificates: Certificates) -> AsyncIterator[tuple[int, int]]:
        """What answers, while it runs: its ports, without and with TLS."""
        async with _sandbox(certificates, self._head) as self.sandbox:
            yield _port(self.sandbox.http_url), _port(self.sandbox.https_url)

    def _environment(self, port: int, authority: Path) -> dict[str, str]:
        proxy = f"http://127.0.0.1:{port}"
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "TMPDIR": str(self._scratch / "tmp"),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "SHELL": "/bin/sh",
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
            "SSL_CERT_FILE": str(authority),
            "NO_PROXY": "localhost,127.0.0.1,::1",  # servers of its own, inside the client
            "NODE_EXTRA_CA_CERTS": str(authority),
        }

    @contextlib.asynccontextmanager
    async def _proxy(
        self, certificates: Certificates, ports: tuple[int, int]
    ) -> AsyncIterator[int]:
        """mitmdump; gives its port, and reads the trace when it has ended."""
        confdir, traces = self._scratch / "mitmproxy", self._scratch / "traces"
        confdir.mkdir()
        key = certificates.ca_file.with_name("ca-key.pem").read_bytes()
        pem = key + certificates.ca_file.read_bytes()
        (confdir / "mitmproxy-ca.pem").write_bytes(pem)
        options = {
            "confdir": confdir,
            "connection_strategy": "lazy",
            "upstream_cert": "false",
            "ssl_insecure": "true",  # the upstream is the sandbox, under any host's name
            "http2": str(self._head.conditions.http == "HTTP/2.0").lower(),
            "flow_detail": 0,
            "record_upstream": f"{ports[0]},{ports[1]}",
            "floway_capture": traces,
            "floway_capture_match": self.match,
            "floway_capture_trace": json.dumps(_description(self._head)),
        }
        command: list[str | Path] = [sys.executable, "-c", _MITMDUMP]
        command += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
        # The capture comes first: it sees requests as the client made them.
        for script in (Path(addons.__path__[0]) / "debug" / "capture_script.py", routing.__file__):
            command += ["-s", str(script)]
        for name, value in options.items():
            command += ["--set", f"{name}={value}"]
        reading: asyncio.Task[None] | None = None
        try:
            async with child(
                command, environment=neutral_environment(), folder=self._scratch
            ) as process:
                assert process.stdout is not None
                ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                reading = asyncio.create_task(self._read(process.stdout, ready))
                try:
                    async with asyncio.timeout(START_SECONDS):
                        port = await ready
                except TimeoutError:
                    raise RecordError("mitmdump did not start in time", self.log()) from None
                yield port
        finally:
            if reading is not None:  # it ends with the process
                await reading
        self._trace = _one_trace(traces)

    async def _read(self, stream: asyncio.StreamReader, ready: asyncio.Future[int]) -> None:
        while line := await stream.readline():
            text = line.decode("utf-8", "replace").rstrip()
            match = _READY.search(text)
            if match is not None and not ready.done():
                ready.set_result(int(match[1]))
            self._log.append(text)
        if not ready.done():
            ready.set_exception(RecordError("mitmdump ended at once", self.log()))


def _description(head: Trace) -> Mapping[str, Any]:
    """What the capturing addon is told about the trace."""
    return head.model_dump(exclude={"exchanges", "format"})


@contextlib.asynccontextmanager
async def _sandbox(certificates: Certificates, head: Trace) -> AsyncIterator[Sandbox]:
    home = certificates.ca_file.parent
    config = SandboxConfig(home=home, accounts=1, gate="off", lenient=True)
    async with Sandbox(config) as sandbox:
        if head.conditions.transport == "http":
            sandbox.services.faults.add(parse_rule(_REFUSE_UPGRADES))
        yield sandbox


@contextlib.contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    """A folder outside the system's temporary one, where some clients dislike to live.

    Raises:
        RecordError: it lies in a git repository, which clients would take for the project's.
    """
    root = cache / "runs"
    root.mkdir(parents=True, exist_ok=True)
    inside = next((each for each in (root, *root.parents) if (each / ".git").exists()), None)
    if inside is not None:
        raise RecordError(
            f"the cache {cache} lies in the git repository {inside}; set FLOWAY_CACHE to another "
            "folder, or every recording looks as if it were made in that repository"
        )
    for old in root.iterdir():  # what a recorder that was killed has left
        with contextlib.suppress(FileNotFoundError):  # another recording ends just now
            if time.time() - old.stat().st_mtime > _STALE:
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _one_trace(folder: Path) -> Trace | None:
    try:
        found = trace_file.find([folder])
    except TraceError:
        return None
    return trace_file.read(found[0])


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
