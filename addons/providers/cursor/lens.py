"""Messages of the agent service as mitmweb shows them; :mod:`.lens_text` is how.

That is loaded with the first message that is looked at: it needs all the messages' forms.
"""

from __future__ import annotations

from typing import Final

from addons.debug.views.lens import Look
from addons.providers.cursor.wire.endpoint import APPEND, RUN, RUN_SSE

STREAMS: Final = ("application/connect+proto", "application/grpc-web+proto")
BARE: Final = ("application/proto", "application/x-protobuf")


class ConnectLens:
    """See :class:`addons.debug.views.lens.Lens`."""

    name = "floway cursor messages"

    def fits(self, look: Look, data: bytes) -> bool:
        return look.content_type in (*STREAMS, *BARE) and look.path in (RUN, RUN_SSE, APPEND)

    def shown(self, look: Look, data: bytes) -> str:
        from addons.providers.cursor.lens_text import text

        return text(look, data)
