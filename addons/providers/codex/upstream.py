"""Where requests go: the real host, another base URL, or the sandbox."""

from __future__ import annotations

from addons.providers.upstream import Upstream as Upstream

REAL = "https://chatgpt.com"
"""Base of the ChatGPT sign-in (codex-wire.md §1.1)."""

REAL_API = "https://api.openai.com"
"""Base of an API key."""
