"""Base URLs of upstreams."""

from __future__ import annotations

import pytest

from addons.errors import FlowayError
from addons.providers.codex.upstream import REAL, REAL_API, Upstream


@pytest.mark.parametrize(
    ("url", "parts", "authority"),
    [
        (REAL, ("https", "chatgpt.com", 443, ""), "chatgpt.com"),
        (REAL_API, ("https", "api.openai.com", 443, ""), "api.openai.com"),
        ("https://x.test:443/", ("https", "x.test", 443, ""), "x.test"),
        ("https://X.test:8443/base/", ("https", "x.test", 8443, "/base"), "x.test:8443"),
        ("http://127.0.0.1", ("http", "127.0.0.1", 80, ""), "127.0.0.1"),
        ("http://[::1]:8080", ("http", "::1", 8080, ""), "[::1]:8080"),
    ],
)
def test_a_base_url(url: str, parts: tuple[str, str, int, str], authority: str) -> None:
    upstream = Upstream.parse(url)
    assert (upstream.scheme, upstream.host, upstream.port, upstream.prefix) == parts
    assert upstream.authority == authority
    assert Upstream.parse(upstream.url) == upstream


@pytest.mark.parametrize(
    "url",
    [
        *("", "chatgpt.com", "ftp://x.test", "https://", "https://x.test:port"),
        *("https://x.test:0", "https://x.test:99999", "https://[::1"),
    ],
)
def test_no_base_url(url: str) -> None:
    with pytest.raises(FlowayError) as caught:
        Upstream.parse(url)
    assert repr(url) in str(caught.value)
