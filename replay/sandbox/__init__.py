"""Made-up upstreams, Codex and Cursor, that behave as the real ones do: no network, no account.

``Sandbox(SandboxConfig(home=…))`` in a running event loop, or ``await serve(config)`` alone.
"""

from replay.sandbox.accounts import Account, Accounts
from replay.sandbox.config import AccountSpec, SandboxConfig
from replay.sandbox.server import Sandbox, serve

__all__ = ["Account", "AccountSpec", "Accounts", "Sandbox", "SandboxConfig", "serve"]
