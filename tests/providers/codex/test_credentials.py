"""Credentials from ``auth.json``: what is read, what is refused, and that nothing is shown."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.providers.codex.credentials import (
    AUTH_CLAIM,
    MAX_AGE,
    PROFILE_CLAIM,
    SKEW,
    CredentialError,
    CredentialFile,
    jwt_claims,
    parse,
)

NOW = 1_800_000_000.0


def jwt(**claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.c2ln"


def auth(**changes: Any) -> dict[str, Any]:
    claims = {
        AUTH_CLAIM: {
            "chatgpt_plan_type": "plus",
            "chatgpt_user_id": "user-1",
            "chatgpt_account_id": "account-1",
            "chatgpt_account_is_fedramp": True,
        },
        PROFILE_CLAIM: {"email": "someone@example.com"},
    }
    tokens = {
        "id_token": jwt(**claims),
        "access_token": jwt(exp=NOW + 3600),
        "refresh_token": "refresh-secret",
        "account_id": "account-1",
    }
    document = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": tokens,
        "last_refresh": "2027-01-15T07:59:60.123456789Z".replace(":60.", ":59."),
    }
    document.update(changes)
    return document


def read(document: Any) -> Any:
    text = document if isinstance(document, str) else json.dumps(document)
    return parse(text, source="auth.json")


def test_chatgpt() -> None:
    found = read(auth())
    assert found.mode == "chatgpt"
    assert jwt_claims(found.access_token)["exp"] == NOW + 3600
    assert (found.account_id, found.refresh_token) == ("account-1", "refresh-secret")
    assert (found.plan, found.email) == ("plus", "someone@example.com")
    assert found.expires_at == NOW + 3600
    assert found.refreshed_at == pytest.approx(NOW, abs=2)
    assert found.fedramp


def test_api_key() -> None:
    found = read({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-secret", "tokens": None})
    assert (found.mode, found.access_token, found.account_id) == ("apikey", "sk-secret", "")
    assert not found.stale(NOW)


def test_files_without_a_mode_are_read_by_what_they_hold() -> None:
    assert read({**auth(), "auth_mode": None}).mode == "chatgpt"
    assert read({"OPENAI_API_KEY": "sk-secret"}).mode == "apikey"


def test_secrets_are_not_shown() -> None:
    shown = repr(read(auth()))
    for secret in ("refresh-secret", "account-1", "someone", "eyJ"):
        assert secret not in shown
    assert "sk-secret" not in repr(read({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-secret"}))


def test_handles_are_stable_and_tell_seats_apart() -> None:
    one = read(auth())
    renewed = auth()
    renewed["tokens"]["access_token"] = jwt(exp=NOW + 9999)
    assert one.handle == read(renewed).handle
    other_seat = auth()
    other_seat["tokens"]["account_id"] = "account-2"
    assert one.handle != read(other_seat).handle


def test_opaque_access_tokens_age_by_their_refresh() -> None:
    document = auth()
    document["tokens"]["access_token"] = "opaque"
    found = read(document)
    assert found.expires_at is None
    assert not found.stale(NOW)
    assert found.stale(NOW + MAX_AGE + 2)
    unknown = read({**document, "last_refresh": "yesterday"})
    assert not unknown.stale(NOW * 2)


def test_tokens_are_stale_before_they_end() -> None:
    found = read(auth())
    assert not found.stale(NOW + 3600 - SKEW - 1)
    assert found.stale(NOW + 3600 - SKEW)


def test_the_token_names_the_account_where_the_file_does_not() -> None:
    document = auth()
    del document["tokens"]["account_id"]
    assert read(document).account_id == "account-1"


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        (auth(auth_mode="agentIdentity"), "auth_mode 'agentIdentity'"),
        (auth(tokens=None), "tokens is missing"),
        (auth(tokens={"account_id": "a"}), "tokens.access_token"),
        (auth(tokens={"access_token": "a b", "account_id": "a"}), "tokens.access_token"),
        (auth(tokens={"access_token": "a\r\nx: y", "account_id": "a"}), "tokens.access_token"),
        (auth(tokens={"access_token": "opaque"}), "tokens.account_id"),
        ({"auth_mode": "apikey"}, "OPENAI_API_KEY"),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
    ],
)
def test_errors_name_the_file_the_member_and_the_remedy(document: Any, named: str) -> None:
    with pytest.raises(CredentialError) as caught:
        read(document)
    assert str(caught.value).startswith("auth.json")
    assert named in str(caught.value)
    assert "login" in str(caught.value) or "sign in" in str(caught.value)
    assert caught.value.__cause__ is None, "a JSON error repeats the file's text"


@given(st.text(max_size=40) | st.just("a.b.c") | st.text(max_size=9).map(lambda t: f"x.{t}.y"))
def test_claims_of_anything(token: str) -> None:
    assert isinstance(jwt_claims(token), dict)


# --- the file ------------------------------------------------------------------------------------


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps(auth()))
    file = CredentialFile(path)
    assert file.last is None
    first = file.load()
    assert file.load() is first
    assert not file.changed()
    document = auth()
    document["tokens"]["refresh_token"] = "rotated"
    path.write_text(json.dumps(document))
    os.utime(path, ns=(1, 1))
    assert file.changed()
    assert file.load().refresh_token == "rotated"
    assert not file.changed()


def test_a_half_written_file_does_not_lose_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps(auth()))
    file = CredentialFile(path)
    first = file.load()
    path.write_text('{"tokens": ')
    with pytest.raises(CredentialError, match="not JSON"):
        file.load()
    assert file.last is first
    assert file.changed()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="does not exist; sign in"):
        CredentialFile(tmp_path / "none.json").load()
    with pytest.raises(CredentialError, match="can't be read"):
        CredentialFile(tmp_path).load()
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(CredentialError, match="1 MiB"):
        CredentialFile(large).load()
    assert not CredentialFile(tmp_path / "none.json").changed()
