"""What mitmweb and the mitmproxy console show of a message: content views.

- ``outline``: JSON as an outline, long texts cut; pure
- ``events``: a stream of server-sent events, with what its texts come to; pure
- ``frames``: messages of a WebSocket, one by one and folded by response; pure
- ``parity``: a request as the client sent it beside what left, and what a profile says of it; pure
- ``sections``: titles and columns of text; pure
- ``contentviews``: mitmproxy's side of all of them

What only one provider's traffic has is shown by a :class:`Lens` of that provider's own.
"""
