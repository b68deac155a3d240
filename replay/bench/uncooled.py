"""floway as a mitmproxy script, but a refused account may be asked again at once.

A refusal cools an account for a second at least, so that no measurement could have a failover in
every request. Nothing else differs from ``addons/floway.py``.
"""

from __future__ import annotations

from addons.floway import addons as addons
from addons.providers.codex import classification

classification.TRANSIENT_COOLDOWN = 0.0  # type: ignore[misc]  # its shortest; read at each refusal
