"""The bench's upstream: as little as a server can do, so that it is never what is measured.

It answers every model request with prepared bytes: over plain HTTP/1.1, and over TLS with HTTP/2
or HTTP/1.1 as ALPN decides. Each event is a chunk (HTTP/2: a DATA frame) and a write of its own,
as an upstream that produces text would send it; short answers go out as one write. It takes any
fingerprint.
"""
