"""A script for mitmdump beside floway's: says which requests came."""

from __future__ import annotations

import sys

from mitmproxy import http


class Asking:
    """The addon."""

    name = "asking"

    def request(self, flow: http.HTTPFlow) -> None:
        sys.stdout.write(f"asked for {flow.request.path}\n")
        sys.stdout.flush()


addons = [Asking()]
