"""``floway doctor``: what stands in the way of a floway that works, each with its remedy.

- ``finding``: one line of the answer
- ``machine``: Python, clock, port; ``trust``: mitmproxy's certificate authority
- ``state``: settings, store, sign-ins, accounts
- ``outside``: upstreams, releases of the official client
- ``selftest``: a request through a floway of its own to its sandbox
- ``examination``: all of them, in order
"""
