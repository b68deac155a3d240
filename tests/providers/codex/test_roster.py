"""The accounts of the provider, and where they are served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.errors import FlowayError
from addons.providers.codex import roster
from addons.providers.codex.upstream import REAL, REAL_API
from addons.settings import Settings
from addons.store.memory import MemoryStore
from tests.providers.codex.exchanges import accounts, key_accounts, sign_in


def entry(label: str, file: Path) -> dict[str, object]:
    return {"provider": "codex", "label": label, "auth_file": file}


def settings(*entries: dict[str, object], **more: object) -> Settings:
    return Settings(accounts=list(entries), **more)  # type: ignore[arg-type]


def key(label: str) -> dict[str, object]:
    return {"provider": "codex", "label": label, "api_key": f"sk-{label}"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps(sign_in("ada", "first")))
    return file


def test_sign_ins_go_to_the_real_host(file: Path) -> None:
    upstream, own = roster.configured(settings(entry("ada", file)))
    assert upstream.url == REAL
    assert [(a.label, roster.credential_of(a).access_token) for a in own] == [("ada", "first")]


def test_api_keys_go_to_theirs() -> None:
    upstream, own = roster.configured(settings(key("one"), key("two")))
    assert upstream.url == REAL_API
    assert [roster.credential_of(a).mode for a in own] == ["apikey", "apikey"]
    assert len({a.handle for a in own}) == 2


def test_or_to_another_base_url(file: Path) -> None:
    upstreams = {"codex": "https://gateway.test/base"}
    upstream, _ = roster.configured(settings(entry("ada", file), upstreams=upstreams))
    assert upstream.url == "https://gateway.test/base"


def test_accounts_of_other_providers_are_theirs(file: Path) -> None:
    other = {"provider": "other", "label": "x", "api_key": "sk-x"}
    _, own = roster.configured(settings(other, entry("ada", file)))
    assert [a.label for a in own] == ["ada"]


def test_what_cannot_be(file: Path, tmp_path: Path) -> None:
    with pytest.raises(FlowayError, match="one kind only"):
        roster.configured(settings(entry("ada", file), key("one")))
    with pytest.raises(FlowayError, match=r"missing\.json does not exist"):
        roster.configured(settings(entry("ada", tmp_path / "missing.json")))


async def test_reloading(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, (account,) = roster.configured(settings(entry("ada", file)))
    assert not await roster.reload(account, "first"), "nothing has changed"
    file.write_text(json.dumps(sign_in("ada", "second-token")))
    assert await roster.reload(account, "first")
    assert roster.credential_of(account).access_token == "second-token"
    assert await roster.reload(account, "first"), "another request has reloaded it already"
    file.write_text("{")
    assert not await roster.reload(account, "second-token")
    assert roster.credential_of(account).access_token == "second-token"
    assert "is not JSON" in caplog.text


async def test_accounts_without_a_file_cannot_be_reloaded() -> None:
    for account in (*accounts("ada"), *key_accounts("one")):
        assert not await roster.reload(account, roster.credential_of(account).access_token)


async def test_an_installation_id_is_minted_once() -> None:
    store = MemoryStore()
    ada, ben = accounts("ada", "ben")
    first = await roster.installation(ada, store)
    assert await roster.installation(ada, store) == first
    assert await roster.installation(ben, store) != first
    await store.put(roster.INSTALLATIONS, ben.handle, 7)
    assert len(await roster.installation(ben, store)) == 36


def test_added_accounts_join_those_of_the_settings(file: Path) -> None:
    added = [*accounts("ben"), *key_accounts("kim")]
    upstream, own = roster.configured(settings(entry("ada", file)), added)
    assert upstream.url == REAL
    assert [a.label for a in own] == ["ada"]
    assert [a.label for a in roster.merged(own, added)] == ["ada", "ben"]


def test_without_others_the_first_added_one_says_where() -> None:
    added = [*key_accounts("kim"), *accounts("ben")]
    upstream, own = roster.configured(settings(), added)
    assert (upstream.url, own) == (REAL_API, [])
    assert [a.label for a in roster.merged(own, added)] == ["kim"]
    assert roster.mode_of([]) == ""


def test_the_same_subject_is_one_account(file: Path) -> None:
    own = roster.configured(settings(entry("ada", file)))[1]
    (again,) = roster.made_up([("office", sign_in("ada", "second"))])
    assert roster.merged(own, [again]) == [again]
