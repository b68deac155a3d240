from __future__ import annotations

import pytest

from addons.errors import FlowayError
from addons.providers.cursor.wire.endpoint import BACKEND, Endpoint


@pytest.mark.parametrize(
    ("url", "authority", "again"),
    [
        (BACKEND, "api2.cursor.sh", BACKEND),
        ("https://host.test:443/", "host.test", "https://host.test"),
        ("http://127.0.0.1:8080/base/", "127.0.0.1:8080", "http://127.0.0.1:8080/base"),
        ("http://[::1]:80", "[::1]", "http://[::1]"),
        ("https://[::1]:8443", "[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_urls(url: str, authority: str, again: str) -> None:
    endpoint = Endpoint.parse(url)
    assert endpoint.authority == authority
    assert endpoint.url == again
    assert Endpoint.parse(endpoint.url) == endpoint


@pytest.mark.parametrize(
    "url",
    ["", "host.test", "ftp://host.test", "https://", "https://h:0", "https://h:x", "http://["],
)
def test_what_is_no_base_url(url: str) -> None:
    with pytest.raises(FlowayError, match="upstream"):
        Endpoint.parse(url)


@pytest.mark.parametrize("url", ["https://user:word@h", "https://h?q=1", "https://h/#f"])
def test_what_a_base_url_has_no_place_for_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(FlowayError, match="base URL") as raised:
        Endpoint.parse(url)
    assert "word" not in str(raised.value)
