from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.sessions.naming import MAX_USER_ID, agent_session, digest

SESSION = "0c5b3a1e-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        (json.dumps({"device_id": "d", "session_id": SESSION}), SESSION),
        (f"user_0a1b_account__session_{SESSION}", SESSION),
        (json.dumps({"session_id": 1}), None),
        (json.dumps({"device_id": "d"}), None),
        ('{"session_id":', None),
        ("joe", None),
        (f"user_{'a' * MAX_USER_ID}_session_{SESSION}", None),
        (None, None),
    ],
)
def test_the_session_in_a_user_id(user_id: object, session: str | None) -> None:
    assert agent_session(user_id) == session


@given(st.lists(st.text()), st.lists(st.text()))
def test_no_two_lists_of_parts_run_together(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
