"""The file of a credential."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.accounts.credentials.document import Document, Sheet, dump, parse
from addons.accounts.credentials.naming import LABEL
from addons.accounts.errors import AccountError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
documents = st.builds(
    Document,
    st.from_regex(LABEL, fullmatch=True),
    st.just("") | st.from_regex(LABEL, fullmatch=True),
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.dictionaries(st.text(max_size=9), json_values, min_size=1),
    st.text(max_size=9),
    st.floats(0, 1e12),
    st.text(max_size=16),
)


@given(documents)
def test_written_and_read_it_is_the_same(document: Document) -> None:
    assert parse(dump(Sheet(document)), source="x").document == document


@given(documents)
def test_with_a_keyring_the_file_has_no_secret(document: Document) -> None:
    sheet = Sheet(document, "one/0011", 2)
    assert "secret" not in json.loads(dump(sheet))
    read = parse(dump(sheet), source="x")
    assert (read.item, read.parts, read.document.secret) == ("one/0011", 2, {})


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_credential_is_refused(data: bytes) -> None:
    with pytest.raises(AccountError, match=r"^x.*add the account again"):
        parse(data, source="x")


@pytest.mark.parametrize(
    ("member", "value", "named"),
    [
        ("provider", "../up", "provider"),
        ("provider", 5, "provider"),
        ("label", "a/b", "label"),
        ("handle", "xyz", "handle"),
        ("added_at", "sesame-open", "added_at"),
        ("secret", "sesame-open", "secret"),
        ("secret", {}, "secret"),
        ("keyring", {"item": "", "parts": 1}, "keyring"),
        ("keyring", {"item": "x", "parts": 0}, "keyring"),
        ("keyring", {"item": "x", "parts": 10**9}, "keyring"),
    ],
)
def test_the_wrong_member_is_named_and_not_shown(member: str, value: Any, named: str) -> None:
    good = json.loads(dump(Sheet(Document("one", "a", "0" * 16, {"token": "sesame-open"}))))
    with pytest.raises(AccountError, match=f"x: {named} ") as told:
        parse(json.dumps({**good, member: value}).encode(), source="x")
    assert "sesame-open" not in str(told.value)


def test_the_secret_is_in_no_repr() -> None:
    document = Document("one", "a", "0" * 16, {"token": "sesame-open"})
    assert "sesame-open" not in f"{document!r} {Sheet(document)!r}"
