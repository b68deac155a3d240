"""Sign-ins: what is kept, how it is renewed, how a person comes in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.accounts.authority import Prompt
from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable
from addons.accounts.quota import Window
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.providers.cursor.sign_in.credentials import CredentialError, bare, load, parse
from addons.providers.cursor.sign_in.login import FAILURES, TRIES, Login
from addons.providers.cursor.sign_in.usage import quota_of
from addons.settings import Settings

KEY = "crsr_0123456789abcdef"


def jwt(**claims: Any) -> str:
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "made-up"])


TOKEN = jwt(sub="auth0|user_01", exp=2_000_000_000)
FRESH = jwt(sub="auth0|user_01", exp=2_000_003_600)
SECRET = {"accessToken": TOKEN, "refreshToken": "rt"}


# --- credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        SECRET,
        {"access_token": TOKEN, "refresh_token": "rt", "type": "cursor", "sub": "other"},
        {**SECRET, "accessToken": f"user_01%3A%3A{TOKEN}"},
        {**SECRET, "accessToken": f"user_01::{TOKEN}"},
    ],
    ids=["official", "other proxy", "cookie", "plain cookie"],
)
def test_forms_of_a_login(document: dict[str, Any]) -> None:
    credential = load(json.dumps(document), source="file")
    assert (credential.access_token, credential.refresh_token) == (TOKEN, "rt")
    assert credential.expires_at == 2_000_000_000
    assert credential.mode == "login"
    assert credential.handle == parse(SECRET, source="x").handle
    assert TOKEN not in repr(credential)


def test_a_key_is_one_account_before_and_after_its_exchange() -> None:
    before = parse({"apiKey": KEY}, source="x")
    after = parse({"apiKey": KEY, **SECRET}, source="x")
    assert before.handle == after.handle != parse(SECRET, source="x").handle
    assert before.stale(0)
    assert KEY not in repr(after)
    assert KEY not in after.subject


@pytest.mark.parametrize(
    ("now", "stale"), [(2_000_000_000 - 301, False), (2_000_000_000 - 300, True)]
)
def test_a_token_ends_early(now: float, stale: bool) -> None:
    assert parse(SECRET, source="x").stale(now) is stale


def test_an_end_that_the_file_names() -> None:
    document = {"access_token": "opaque", "expires_at": "2030-01-01T00:00:00Z", "sub": "user_01"}
    assert parse(document, source="x").expires_at == 1893456000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ("{}", "accessToken is missing"),
        ('{"accessToken": "a b"}', "accessToken is no token"),
        ('{"accessToken": 7}', "accessToken is no token"),
        ('{"accessToken": "opaque"}', "names no account"),
        ('{"apiKey": "sesam\\u00e9"}', "apiKey is no token"),
    ],
)
def test_what_can_not_be_used(text: str, told: str) -> None:
    with pytest.raises(CredentialError, match=told) as caught:
        load(text, source="the file")
    assert "the file" in str(caught.value)
    assert "floway accounts add cursor" in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load(text, source="x")
    except CredentialError:
        assert bare(text) in text


# --- login ---------------------------------------------------------------------------------------


async def login(answer: Callable[[int], httpx.Response]) -> tuple[dict[str, Any], list[Any]]:
    """A login whose polls are answered by number; the secret, and what was asked and shown."""
    seen: list[Any] = []

    async def get(url: str) -> httpx.Response:
        seen.append(httpx.URL(url))
        return answer(len(seen))

    async def sleep(seconds: float) -> None:
        assert 1 <= seconds <= 10

    shown: list[Prompt] = []
    secret = await Login("https://site.test", "https://api.test", get, sleep).run(shown.append)
    return secret, [*shown, *seen]


async def test_a_login() -> None:
    def answer(number: int) -> httpx.Response:
        return httpx.Response(404) if number < 3 else httpx.Response(200, json=SECRET)

    secret, (prompt, *polls) = await login(answer)
    assert secret == SECRET
    page, poll = httpx.URL(prompt.url), polls[0]
    assert (page.host, page.path) == ("site.test", "/loginDeepControl")
    assert (poll.host, poll.path) == ("api.test", "/auth/poll")
    assert page.params["uuid"] == poll.params["uuid"]
    digest = hashlib.sha256(poll.params["verifier"].encode()).digest()
    assert page.params["challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert len(polls) == 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(410), "HTTP 410"),
        (httpx.Response(403, text="sign_in_policy_violation"), "policy"),
        (httpx.Response(200, text="<html>"), "no usable accessToken"),
        (httpx.Response(404), "nobody signed in"),
    ],
    ids=["gone", "policy", "page", "nobody"],
)
async def test_a_login_that_fails(answer: httpx.Response, told: str) -> None:
    with pytest.raises(AccountError, match=told):
        await login(lambda _: answer)


async def test_a_network_that_fails() -> None:
    count = 0

    def answer(number: int) -> httpx.Response:
        nonlocal count
        count = number
        raise httpx.ConnectError("no route")

    with pytest.raises(AccountError, match="can't be reached"):
        await login(answer)
    assert count == FAILURES < TRIES


# --- authority -----------------------------------------------------------------------------------


def authority(answer: Callable[[httpx.Request], httpx.Response]) -> CursorAuthority:
    made = CursorAuthority(Settings(upstreams={"cursor": "https://api.test"}), clock=lambda: 7.0)
    made._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return made


@pytest.mark.parametrize(
    ("secret", "bearer"), [(SECRET, "rt"), ({"apiKey": KEY}, KEY)], ids=["login", "key"]
)
async def test_new_tokens(secret: dict[str, str], bearer: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://api.test/auth/exchange_user_api_key"
        assert request.headers["authorization"] == f"Bearer {bearer}"
        assert request.content == b"{}"
        return httpx.Response(200, json={"accessToken": FRESH})

    made = authority(answer)
    fresh = await made.refresh(secret, "expiry")
    assert fresh == {
        **{k: v for k, v in secret.items() if k != "accessToken"},
        "accessToken": FRESH,
    }
    assert made.describe(fresh).handle == made.describe(secret).handle
    await made.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401), SignInEnded),
        (httpx.Response(403), SignInEnded),
        (httpx.Response(503), SignInUnavailable),
        (httpx.Response(200, json={}), SignInUnavailable),
    ],
    ids=["401", "403", "503", "empty"],
)
async def test_no_new_tokens(answer: httpx.Response, error: type[Exception]) -> None:
    with pytest.raises(error):
        await authority(lambda _: answer).refresh(SECRET, "refused")


async def test_a_server_that_is_not_there() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with pytest.raises(SignInUnavailable, match="ConnectError"):
        await authority(answer).refresh(SECRET, "refused")
    assert await authority(answer).quota(SECRET) is None


async def test_limits() -> None:
    document = {
        "billingCycleStart": "1763683200000",
        "billingCycleEnd": "1766275200000",
        "planUsage": {"totalPercentUsed": 41.5, "autoPercentUsed": 0, "limit": 2000},
    }
    quota = await authority(lambda _: httpx.Response(200, json=document)).quota(SECRET)
    assert quota is not None
    assert quota.observed_at == 7.0
    assert quota.windows == (
        Window("plan", "cycle", 41.5, 43200, 1766275200),
        Window("auto", "cycle", 0, 43200, 1766275200, "Auto"),
    )
    assert quota_of({"planUsage": {}}, 7.0) is None


async def test_a_file_and_a_key(tmp_path: Path) -> None:
    made = authority(lambda _: httpx.Response(404))
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({**SECRET, "more": 1}))
    secret = made.read_file(file)
    assert secret == SECRET
    assert made.describe(secret).renewable
    assert not made.stale(secret, 0)
    assert made.with_key(f" {KEY}\n") == {"apiKey": KEY}
    with pytest.raises(AccountError, match="API key"):
        made.with_key("two words")
    with pytest.raises(AccountError, match="can't be read"):
        made.read_file(tmp_path / "none.json")


@given(
    st.recursive(
        st.none() | st.floats() | st.text(max_size=5),
        lambda inner: st.dictionaries(
            st.sampled_from(["planUsage", "totalPercentUsed", "billingCycleEnd"]), inner
        ),
    )
)
def test_any_usage_can_be_read(document: Any) -> None:
    quota = quota_of(document, 0.0)
    assert quota is None or all(window.used_percent >= 0 for window in quota.windows)
