from __future__ import annotations

import base64

import pytest

from addons.errors import ClientError
from addons.front.keys import LOCAL, ClientKeys, presented_keys, principal_id, proxy_keys


def test_without_keys_everyone_is_local() -> None:
    keys = ClientKeys([])
    assert not keys.required
    assert keys.principal([(b"Authorization", b"Bearer whatever")]) == LOCAL


@pytest.mark.parametrize(
    "header",
    [
        (b"Authorization", b"Bearer sk-one"),
        (b"authorization", b"bearer   sk-one "),
        (b"X-Api-Key", b"sk-one"),
        (b"api-key", b" sk-one"),
    ],
)
def test_a_known_key_in_each_header(header: tuple[bytes, bytes]) -> None:
    keys = ClientKeys(["sk-two", "sk-one"])
    assert keys.principal([(b"host", b"x"), header]) == principal_id("sk-one")


def test_principals_differ_and_do_not_hold_the_key() -> None:
    one, two = principal_id("sk-one"), principal_id("sk-two")
    assert one != two
    assert len(one) == 16
    assert int(one, 16) >= 0
    assert one == principal_id("sk-one")


def test_one_known_key_among_several_is_enough() -> None:
    keys = ClientKeys(["sk-one"])
    headers = [(b"x-api-key", b"placeholder"), (b"authorization", b"Bearer sk-one")]
    assert keys.principal(headers) == principal_id("sk-one")


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ([], "didn't provide"),
        ([(b"authorization", b"Basic c2stb25l")], "didn't provide"),
        ([(b"authorization", b"Bearer ")], "didn't provide"),
        ([(b"x-api-key", b" ")], "didn't provide"),
        ([(b"authorization", b"Bearer sk-on")], "Incorrect API key"),
        ([(b"authorization", b"Bearer sk-onee")], "Incorrect API key"),
        ([(b"x-api-key", b"\xff\xfe")], "Incorrect API key"),
    ],
)
def test_missing_and_wrong_keys(headers: list[tuple[bytes, bytes]], complaint: str) -> None:
    with pytest.raises(ClientError, match=complaint) as caught:
        ClientKeys(["sk-one"]).principal(headers)
    error = caught.value
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert "client_keys" in error.message
    for key in presented_keys(headers):
        assert key.decode("latin-1") not in error.message


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "schlüssel", "a\x7f"])
def test_keys_that_no_header_can_carry(key: str) -> None:
    with pytest.raises(ValueError, match="client key number 2") as caught:
        ClientKeys(["fine", key])
    assert not key or key not in str(caught.value)


def _basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (_basic("floway:open-sesame"), b"open-sesame"),
        (_basic("open-sesame:"), b"open-sesame"),
        (_basic("open-sesame"), b"open-sesame"),
        (b"Bearer open-sesame", b"open-sesame"),
        (b"basic " + base64.b64encode(b"a:b:c"), b"b:c"),
    ],
)
def test_a_proxy_key_is_the_password_or_the_name(value: bytes, key: bytes) -> None:
    assert proxy_keys([(b"Proxy-Authorization", value)]) == [(b"x-api-key", key)]


def test_what_is_not_base64_presents_nothing() -> None:
    assert (
        proxy_keys([(b"proxy-authorization", b"Basic ???"), (b"authorization", b"Bearer x")]) == []
    )


def test_a_proxy_key_is_checked_like_any_other() -> None:
    keys = ClientKeys(["open-sesame"])
    good = proxy_keys([(b"proxy-authorization", _basic("me:open-sesame"))])
    assert keys.principal(good) == principal_id("open-sesame")
    with pytest.raises(ClientError):
        keys.principal(proxy_keys([(b"proxy-authorization", _basic("me:wrong"))]))
