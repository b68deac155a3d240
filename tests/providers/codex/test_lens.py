from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.debug.views.lens import Look
from addons.providers.codex.lens import RequestLens

SESSION = "019a0000-0000-7000-8000-000000000001"
METADATA = json.dumps({"session_id": SESSION, "turn_id": "t-1", "sandbox": "none"})
BODY: dict[str, Any] = {
    "model": "gpt-5.5",
    "instructions": "Be brief.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "function_call_output", "call_id": "c", "output": "x" * 2000},
    ],
    "tools": [{"type": "function", "name": "bash"}],
    "prompt_cache_key": SESSION,
    "client_metadata": {"session_id": SESSION, "x-codex-turn-metadata": METADATA},
}
LOOK = Look(
    "/backend-api/codex/responses",
    [("session-id", SESSION), ("accept", "*/*")],
    summary={"sources": {"session": "derived from the content"}},
)


def shown(body: Any = BODY, look: Look = LOOK) -> str:
    return RequestLens().shown(look, json.dumps(body).encode())


def test_it_fits_model_requests_only() -> None:
    lens = RequestLens()
    assert lens.fits(LOOK, b"{")
    assert not lens.fits(LOOK, b"[")
    assert not lens.fits(Look("/backend-api/codex/responses", is_request=False), b"{")
    assert not lens.fits(Look("/backend-api/codex/models"), b"{")


def test_each_id_with_its_places_and_its_source() -> None:
    lines = [each.strip() for each in shown().splitlines()]
    place = lines.index(SESSION)
    assert lines[place + 1] == "from  derived from the content"
    assert lines[place + 2] == (
        "in    session-id, body.session_id, metadata.session_id, prompt_cache_key"
    )


def test_what_is_no_id_is_not_called_one() -> None:
    odd = json.dumps({"thread_source": "user", "turn_id": "t-1"})
    text = shown({**BODY, "client_metadata": {"x-codex-turn-metadata": odd}})
    identity = text.partition("── Turn metadata")[0]
    assert "t-1" in identity
    assert "user" not in identity
    assert "{" not in identity


def test_what_makes_it_large_comes_first() -> None:
    text = shown()
    assert text.index("[1]") < text.index("[0]")
    assert "function_call_output" in text
    assert "Turn metadata" in text
    assert 'sandbox: "none"' in text
    assert "Be brief." in text
    assert "bash" in text


def test_broken_and_odd_requests_are_shown_too() -> None:
    text = RequestLens().shown(LOOK, b'{"model": "gpt')
    assert "Broken JSON" in text
    assert '{"model": "gpt' in text
    assert shown([1]) == "[0]: 1"


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*BODY]), ANY))
def test_any_members(body: dict[str, Any]) -> None:
    shown(body)
