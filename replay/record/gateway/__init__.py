"""A made-up gateway: what third-party clients are recorded against.

It speaks what such clients speak to a gateway: chat completions, Responses, Anthropic's messages,
and the little of Cursor's agent service that one run needs. What it answers is the sandbox's
scripted model (:mod:`replay.sandbox.agent`), whose directives a prompt may hold.
"""

from replay.record.gateway.server import Gateway

__all__ = ["Gateway"]
