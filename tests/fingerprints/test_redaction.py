"""Redaction: nothing stays that must not, equal stays equal, the rest stays as it is."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints import leaks
from fingerprints.redaction import MAX_DEPTH, Redactor
from fingerprints.serial import ascii_text, dumps_text

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
OTHER_JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ5In0."
ACCOUNT = "5f0c1b9e-2d7a-4c1e-9b52-0c5d6f1a7e11"
UUID = "0199f7a2-6b1c-7d31-8f00-1c2d3e4f5a6b"


def text(value: str) -> str:
    return Redactor().text(value)


# --- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"token {JWT}!", "token ⟨jwt:1⟩!"),
        (f"{JWT} {OTHER_JWT} {JWT}", "⟨jwt:1⟩ ⟨jwt:2⟩ ⟨jwt:1⟩"),
        (f"Bearer {JWT}", "Bearer ⟨jwt:1⟩"),
        ("Bearer abcdef123456", "Bearer ⟨secret:1⟩"),
        ("Bearer sk-proj-abcdef123456", "Bearer sk-⟨secret:1⟩"),
        ("use sk-abcdef123456, crsr_abcdef99999", "use sk-⟨secret:1⟩, crsr_⟨secret:2⟩"),
        ("/a?code=abcdef123456&x=1", "/a?code=⟨secret:1⟩&x=1"),
        ("grant_type=x&refresh_token=rt_123456", "grant_type=x&refresh_token=⟨secret:1⟩"),
        ("mail joe.doe+x@mail.example.com.", "mail ⟨email:1⟩."),
        ("a joe%40example.com b", "a ⟨email:1⟩ b"),
        ("from git@code.example.com:a/b.git on", "from ⟨remote:1⟩ on"),
        ("https://code.example.com/a/b.git", "⟨remote:1⟩"),
        ("in /home/joe/a b", "in ⟨path:1⟩ b"),
        ("in /home/joe/a.py.", "in ⟨path:1⟩."),
        ("'/tmp/x/y','/tmp/x/y','/tmp/z'", "'⟨path:1⟩','⟨path:1⟩','⟨path:2⟩'"),
        ("/private/tmp/x", "⟨path:1⟩"),
        ("file:///Users/joe/x", "file://⟨path:1⟩"),
        (r"C:\Users\joe\x and", "⟨path:1⟩ and"),
        ("<cwd>/srv/my app</cwd>", "<cwd>⟨path:1⟩</cwd>"),
        ("Working directory: /srv/app", "Working directory: ⟨path:1⟩"),
    ],
)
def test_masks_in_texts(before: str, after: str) -> None:
    assert text(before) == after


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "plain words",
        UUID,
        f"{UUID}:0",
        "bearer authentication",
        "a task-something-longer",
        "https://example.com/home/joe/x",
        "/root is an agent, /tmp a folder of everybody",
        "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)",
        "{not json}",
        "x" * 200,
        "⟨text:300:12345678⟩",
        "é\u2028\x7f",
    ],
)
def test_keeps(kept: str) -> None:
    assert text(kept) == kept


def test_long_texts_become_length_and_hash() -> None:
    digest = hashlib.sha256(("é" * 201).encode()).hexdigest()
    assert text("é" * 201) == f"⟨text:201:{digest[:8]}⟩"
    assert text("\ud800" * 201).startswith("⟨text:201:")


def test_the_length_after_masking_decides() -> None:
    path = "/home/joe/" + "x" * 190
    assert text(f"in {path} it is") == "in ⟨path:1⟩ it is"
    assert text("b" * 190 + " " + path).startswith("b"), "the path's own length does not count"
    assert text("b" * 195 + " /home/j/x") == "⟨text:205:9dcc6633⟩", "of the original"


# --- members and headers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "after"),
    [
        ("authorization", f"Bearer {JWT}", "Bearer ⟨jwt:1⟩"),
        ("Authorization", "Bearer sk-abcdef123456", "Bearer sk-⟨secret:1⟩"),
        ("authorization", "Basic dXNlcjpwYXNz", "Basic ⟨secret:1⟩"),
        ("proxy-authorization", "Bearer x", "Bearer ⟨secret:1⟩"),
        ("x-api-key", "anything at all", "⟨secret:1⟩"),
        ("x-codex-turn-state", "abc", "⟨secret:1⟩"),
        ("cookie", "a=1; b=2; c=1", "a=⟨secret:1⟩; b=⟨secret:2⟩; c=⟨secret:1⟩"),
        (
            "set-cookie",
            "a=1; Path=/; Domain=example.com; HttpOnly",
            "a=⟨secret:1⟩; Path=/; Domain=example.com; HttpOnly",
        ),
        ("chatgpt-account-id", ACCOUNT, "⟨account:1⟩"),
        ("session-id", UUID, UUID),
        ("x-request-id", UUID, UUID),
        ("user-agent", "x/1", "x/1"),
    ],
)
def test_headers(name: str, value: str, after: str) -> None:
    assert Redactor().header(name, value) == after


@pytest.mark.parametrize(
    ("value", "after"),
    [
        ({"access_token": "a", "refresh_token": "b"}, "⟨secret:1⟩ ⟨secret:2⟩"),
        ({"access_token": "a", "id_token": "a"}, "⟨secret:1⟩ ⟨secret:1⟩"),
        ({"apiKey": "xyz"}, "⟨secret:1⟩"),
        ({"encrypted_content": "gAAAA" * 100}, "⟨secret:1⟩"),
        ({"token": "abcdefgh12345678"}, "⟨secret:1⟩"),
        ({"token": "Hello"}, "Hello"),
        ({"code": "rate_limit_exceeded_now"}, "rate_limit_exceeded_now"),
        ({"account_id": ACCOUNT, "x": ACCOUNT}, "⟨account:1⟩ ⟨account:1⟩"),
        ({"account_ordering": [ACCOUNT], "user_id": ACCOUNT}, "['⟨account:1⟩'] ⟨account:1⟩"),
        ({"cwd": "/srv/app", "x": "see /srv/app/a.py"}, "⟨path:1⟩ see ⟨path:2⟩"),
        ({"agent_name": "/root/reviewer"}, "/root/reviewer"),
        ({"user_id": UUID}, "⟨account:1⟩"),
    ],
)
def test_members(value: Any, after: str) -> None:
    assert " ".join(str(item) for item in Redactor().redact(value).values()) == after


def test_accounts_in_lists_and_maps() -> None:
    kept = Redactor().redact({"accounts": [{"id": ACCOUNT, "structure": "personal"}], "id": UUID})
    assert kept == {"accounts": [{"id": "⟨account:1⟩", "structure": "personal"}], "id": UUID}


def test_workspaces() -> None:
    value = {
        "workspaces": {
            "/srv/app": {"associated_remote_urls": {"origin": "upstream:x"}, "has_changes": False}
        },
        "text": "it is in /srv/app now, from upstream:x",
    }
    assert Redactor().redact(value) == {
        "workspaces": {
            "⟨path:1⟩": {"associated_remote_urls": {"origin": "⟨remote:1⟩"}, "has_changes": False}
        },
        "text": "it is in ⟨path:1⟩ now, from ⟨remote:1⟩",
    }


def test_descriptions_of_tools_go_whatever_their_length() -> None:
    tool = {
        "name": "a",
        "description": "short",
        "parameters": {"properties": {"description": {"type": "string", "description": ""}}},
    }
    value = {"description": "kept", "input": [{"type": "additional_tools", "tools": [tool]}]}
    kept = Redactor().redact(value)
    inside = kept["input"][0]["tools"][0]
    assert kept["description"] == "kept"
    assert inside["description"] == "⟨text:5:f9b0078b⟩"
    assert inside["parameters"]["properties"]["description"] == {
        "type": "string",
        "description": "⟨text:0:e3b0c442⟩",
    }


# --- JSON inside texts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dump",
    [
        ascii_text,
        json.dumps,
        lambda value: json.dumps(value, indent=2),
        lambda value: json.dumps(value, ensure_ascii=False),
        dumps_text,
    ],
)
def test_json_in_texts_keeps_its_spelling(dump: Any) -> None:
    before = {"cwd": "/srv/app", "é": [1, {"token": JWT}]}
    after = {"cwd": "⟨path:1⟩", "é": [1, {"token": "⟨jwt:1⟩"}]}
    assert text(dump(before)) == dump(after)


def test_json_in_texts_that_is_plain_ascii_stays_so() -> None:
    assert text('{"cwd":"/srv/app"}') == '{"cwd":"\\u27e8path:1\\u27e9"}'


def test_json_in_texts_without_secrets_stays_as_it_is() -> None:
    odd = '{ "a":1 , "a" : "\\u0041" }'
    assert text(odd) == odd


def test_an_odd_spelling_that_is_lost_is_said() -> None:
    redactor = Redactor()
    assert redactor.redact({"m": '{ "cwd":"/srv/app"}'}) == {"m": '{"cwd":"\\u27e8path:1\\u27e9"}'}
    assert list(redactor.notes) == ["the JSON text in m was spelt in another way"]


def test_the_same_text_in_two_places_stays_the_same() -> None:
    metadata = ascii_text({"workspaces": {"/srv/é": {}}, "session_id": UUID})
    redactor = Redactor()
    body = redactor.redact({"client_metadata": {"x-codex-turn-metadata": metadata}})
    header = redactor.header("x-codex-turn-metadata", metadata)
    assert header == body["client_metadata"]["x-codex-turn-metadata"]
    assert header.isascii()
    assert json.loads(header) == {"workspaces": {"⟨path:1⟩": {}}, "session_id": UUID}


# --- what is learned -----------------------------------------------------------------------------


def test_a_secret_is_known_everywhere_once_it_is_known() -> None:
    redactor = Redactor()
    early = redactor.redact({"note": "opaque-refresh-77-word"})
    assert early == {"note": "opaque-refresh-77-word"}
    before = redactor.learned
    redactor.redact({"refresh_token": "opaque-refresh-77-word"})
    assert redactor.learned > before
    assert redactor.redact(early) == {"note": "⟨secret:1⟩"}
    assert redactor.text("/x/opaque-refresh-77-word?y") == "/x/⟨secret:1⟩?y"


def test_a_short_or_common_secret_is_masked_only_where_it_stands() -> None:
    redactor = Redactor()
    assert redactor.redact({"api_key": "dummy", "x": "a dummy"}) == {
        "api_key": "⟨secret:1⟩",
        "x": "a dummy",
    }


def test_numbers_that_came_in_are_not_given_again() -> None:
    redactor = Redactor()
    assert redactor.text(f"⟨jwt:7⟩ {JWT}") == "⟨jwt:7⟩ ⟨jwt:8⟩"


# --- bounds --------------------------------------------------------------------------------------


def test_deep_nesting_ends() -> None:
    value: Any = "x"
    for _ in range(300):
        value = [value]
    redactor = Redactor()
    kept = redactor.redact(value)
    depth = 0
    while isinstance(kept, list):
        kept, depth = kept[0], depth + 1
    assert depth == MAX_DEPTH + 1
    assert kept.startswith("⟨text:")
    assert redactor.notes


@pytest.mark.parametrize(
    "bait",
    [
        *("a" * 100, "eyJ" * 100, "ey" + "a." * 50, "/home/", "a@" * 50, "https://a/" * 10),
        *("Bearer ", "sk-", "{[", "cwd: /", "a.", "⟨path:1⟩", "git@a.", "key="),
    ],
)
def test_work_is_bounded(bait: str) -> None:
    for size in (60_000, 4_000_000):
        huge = (bait * (size // len(bait) + 1))[:size]
        begin = time.process_time()
        text(huge)
        assert time.process_time() - begin < 2.0


# --- properties ----------------------------------------------------------------------------------

PIECES = [
    *(JWT, OTHER_JWT, ACCOUNT, UUID, "Bearer ", "sk-", "crsr_", "abcdefgh12345678", "rt_123456"),
    *("joe@example.com", "git@example.com:a/b.git", "https://example.com/a.git", "?code=", "="),
    *("/home/joe/x", "/tmp/a", "/srv/app", "C:\\Users\\joe", "<cwd>", "</cwd>", "cwd: ", " "),
    *(".", "/", "&"),
    *("⟨path:1⟩", "⟨secret:12⟩", "⟨text:5:12345678⟩", "⟨", "⟩", "é", "x" * 90, '"', "\\"),
    *("{", "}"),
]
NAMES = [
    *("a", "access_token", "authorization", "cookie", "account_id", "accounts", "id", "cwd"),
    *("tools", "description", "workspaces", "associated_remote_urls", "token", "agent_name"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(max_size=30)
values = st.recursive(
    texts | st.integers() | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | texts, inner, max_size=4)
        | inner.map(dumps_text)
        | inner.map(ascii_text)
        | inner.map(json.dumps)
    ),
    max_leaves=12,
)


@given(value=values)
def test_redacting_again_changes_nothing(value: Any) -> None:
    redactor = Redactor()
    once = value
    while True:
        learned = redactor.learned
        once = redactor.redact(once)
        if redactor.learned == learned:
            break
    assert redactor.redact(once) == once
    assert Redactor().redact(once) == once


@given(value=values)
def test_nothing_leaks(value: Any) -> None:
    redactor = Redactor()
    once = redactor.redact(value)
    once = redactor.redact(once)
    assert leaks.in_value(once) == []


@given(value=values)
def test_the_input_is_left_alone(value: Any) -> None:
    before = copy.deepcopy(value)
    Redactor().redact(value)
    assert value == before


@given(name=st.sampled_from(NAMES), value=texts)
def test_headers_again_change_nothing(name: str, value: str) -> None:
    once = Redactor().header(name, value)
    assert Redactor().header(name, once) == once


# --- a process that goes on: salted, bounded -----------------------------------------------------


def test_with_a_salt_numbers_are_the_same_in_every_redactor_and_other_with_another_salt() -> None:
    line = f"token {JWT} of joe@example.com"
    first, again, other = (Redactor(salt) for salt in (b"one", b"one", b"two"))
    assert first.text(line) == again.text(f"x {line}")[2:]
    assert first.text(line) != other.text(line)
    assert leaks.in_value([first.text(line)]) == []


def test_with_a_salt_the_hash_of_a_long_text_can_not_be_guessed() -> None:
    long = "word " * 100
    digest = hashlib.sha256(long.encode()).hexdigest()[:8]
    assert Redactor().text(long) == f"⟨text:500:{digest}⟩"
    assert digest not in Redactor(b"salt").text(long)


@pytest.mark.parametrize(
    "line",
    [
        "{'access_token': 'opaquesecret', 'n': 1}",
        '{"refresh_token": "opaquesecret"}',
        r"{\"session_token\":\"opaquesecret\"}",
        "(b'cookie', b'opaquesecret')",
        "Set-Cookie: opaquesecret1=x",
        "x-codex-turn-state: opaquesecret-1",
        "Authorization: Bearer opaquesecret/9",
    ],
)
def test_a_line_is_masked_after_the_names_of_secrets(line: str) -> None:
    assert "opaquesecret" not in Redactor(b"salt").masked(line)


@pytest.mark.parametrize(
    "line",
    [
        "401 token expired; the token: missing",
        "input_tokens=12345678, tokens: 12345678",
        "account ada: the sign-in is over (token_invalidated)",
        "word " * 100,
    ],
)
def test_a_line_without_secrets_stays_whole(line: str) -> None:
    assert Redactor(b"salt").masked(line) == line


def test_what_is_known_is_masked_anywhere_and_the_oldest_is_forgotten() -> None:
    redactor = Redactor(b"salt", most=2)
    for value in ("first-value", "second-value", "third-value"):
        redactor.know(value)
    assert redactor.masked("first-value") == "first-value"
    assert "value" not in redactor.masked("a second-value, third-value")


def test_masking_a_line_again_changes_nothing() -> None:
    redactor = Redactor(b"salt")
    once = redactor.masked('{"api_key": "opaquesecret", "token": "⟨secret:123456789⟩"}')
    assert redactor.masked(once) == once
    assert "123456789" in once
