"""What OAuth messages are made of, and what answers mean."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable
from addons.providers.codex import oauth
from addons.providers.codex.oauth import Pkce


def test_pkce_is_that_of_the_rfc() -> None:
    pkce = Pkce.of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")  # RFC 7636, appendix B
    assert pkce.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert Pkce.new() != Pkce.new()
    assert 43 <= len(Pkce.new().verifier) <= 128
    assert pkce.verifier not in repr(pkce)


def test_the_authorize_page_as_the_official_client_asks_for_it() -> None:
    url = oauth.authorize_url("https://x.test", oauth.redirect_uri(1455), Pkce.of("v"), "s")
    assert url.startswith("https://x.test/oauth/authorize?response_type=code&client_id=app_")
    members = dict(parse_qsl(urlsplit(url).query))
    assert list(members) == [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "code_challenge",
        "code_challenge_method",
        "id_token_add_organizations",
        "codex_cli_simplified_flow",
        "state",
        "originator",
    ]
    assert members["redirect_uri"] == "http://localhost:1455/auth/callback"
    assert "scope=openid+profile+email+offline_access" in url


def test_a_refresh_in_the_official_order() -> None:
    body = oauth.compact(oauth.refresh_body("rt", "refused"))
    assert body == (
        b'{"client_id":"app_EMoamEEZ73f0CkXaXp7hrann","grant_type":"refresh_token",'
        b'"refresh_reason":"unauthorized_recovery","refresh_token":"rt"}'
    )


names = st.sampled_from(["id_token", "access_token", "refresh_token", "other"])
tokens = st.dictionaries(names, st.text(min_size=1, max_size=5) | st.none() | st.just(""))


@given(tokens)
def test_only_what_a_refresh_brings_replaces_what_is_kept(answer: dict[str, Any]) -> None:
    kept = {"id_token": "i", "access_token": "a", "refresh_token": "r", "account_id": "x"}
    secret = {"auth_mode": "chatgpt", "tokens": kept}
    fresh = oauth.refreshed(secret, answer, 0.0)
    assert fresh["last_refresh"] == "1970-01-01T00:00:00Z"
    assert fresh["tokens"] == {
        name: answer[name] if answer.get(name) else old for name, old in kept.items()
    }
    assert secret["tokens"] == kept


@pytest.mark.parametrize("missing", ["id_token", "access_token", "refresh_token"])
def test_a_login_needs_all_tokens(missing: str) -> None:
    answer = dict.fromkeys(("id_token", "access_token", "refresh_token"), "sesame") | {missing: ""}
    with pytest.raises(AccountError, match=f"no {missing}") as told:
        oauth.signed_in(answer, "x", 0.0)
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": "a", "message": "m"}}, "a"),
        ({"error": "b"}, "b"),
        ({"code": "c"}, "c"),
        ({"error": {}, "code": "d"}, "d"),
        ({"error": "<b> x"}, "bx"),
        ({"error": 5}, ""),
        ([], ""),
    ],
)
def test_the_word_of_an_error(body: Any, code: str) -> None:
    assert oauth.error_code(json.dumps(body).encode()) == code


@given(st.binary(max_size=200))
def test_no_answer_is_too_strange(body: bytes) -> None:
    code = oauth.error_code(body)
    assert len(code) <= 80
    assert not set("<>\"' \n\x1b") & set(code)
    problem = oauth.refresh_problem(500, body)
    assert isinstance(problem, SignInUnavailable | SignInEnded)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "refresh_token_reused", SignInEnded),
        (400, "refresh_token_expired", SignInEnded),
        (400, "invalid_grant", SignInEnded),
        (401, "", SignInEnded),
        (403, "", SignInUnavailable),
        (429, "rate_limited", SignInUnavailable),
        (500, "", SignInUnavailable),
        (503, "server_error", SignInUnavailable),
    ],
)
def test_what_is_over_and_what_may_pass(status: int, code: str, kind: type[Exception]) -> None:
    body = json.dumps({"error": {"code": code, "message": "rt_sesame"}}).encode()
    problem = oauth.refresh_problem(status, body)
    assert type(problem) is kind
    assert "sesame" not in str(problem)
    if isinstance(problem, SignInEnded):
        assert problem.code == (code or "http_401")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5), (3, 3), (None, 5), ("x", 5), ("-4", 0), ("900", 60), ("nan", 5), ("inf", 5)],
)
def test_intervals(value: Any, seconds: float) -> None:
    assert oauth.device_interval(value) == seconds
