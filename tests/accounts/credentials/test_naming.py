"""What credentials are called, and that no two of them are called the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.accounts.credentials.naming import (
    LABEL,
    checked_label,
    credential_name,
    same_name,
    shown_label,
)
from addons.accounts.errors import AccountError

labels = st.from_regex(LABEL, fullmatch=True)
handles = st.text("0123456789abcdef", min_size=16, max_size=16)


def test_label_then_subject_then_provider() -> None:
    assert credential_name("one", "work", "0123456789abcdef") == "one.work"
    assert credential_name("one", "", "0123456789abcdef") == "one.01234567"
    assert credential_name("one") == "one"


@given(labels, labels, handles)
def test_labels_make_different_names(label: str, other: str, handle: str) -> None:
    names = credential_name("one", label, handle), credential_name("one", other, handle)
    assert same_name(*names) == (label.casefold() == other.casefold())
    assert shown_label("one", names[0]) == label


@given(labels)
def test_a_label_never_leaves_the_folder(label: str) -> None:
    assert not set("/\\\0") & set(credential_name("one", label))
    assert not credential_name("one", label).startswith(".")


@given(st.text(max_size=80))
def test_a_label_is_taken_as_it_is_or_refused(text: str) -> None:
    if LABEL.fullmatch(text):
        assert checked_label(text) == text
    else:
        with pytest.raises(AccountError, match="1 to 64 letters"):
            checked_label(text)
