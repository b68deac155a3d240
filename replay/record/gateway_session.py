"""A recording of a client that is pointed at a gateway: the proxy is what it takes for one.

What the client sends to ``url`` is kept, and answered by :class:`replay.record.gateway.Gateway`.
What it asks of other hosts by the way (updates, lists of models, telemetry) does not leave the
machine either; it is not kept, and answered as by a network that is not there.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from replay.record.gateway import Gateway
from replay.record.session import Session
from replay.sandbox.certificates import Certificates


class GatewaySession(Session):
    """See above.

    Attributes:
        gateway: what answers.
    """

    match = r"~d ^127\.0\.0\.1$"

    @contextlib.asynccontextmanager
    async def upstream(self, certificates: Certificates) -> AsyncIterator[tuple[int, int]]:
        """The gateway. It speaks no TLS, so that other hosts are out of reach."""
        async with Gateway() as self.gateway:
            yield self.gateway.port, self.gateway.port

    @property
    def url(self) -> str:
        """The gateway's base URL, as the client is told it: ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"
