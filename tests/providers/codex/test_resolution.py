"""Which signal tells the conversation, whose ids are whose, and what may never go upstream."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.codex import ids
from addons.providers.codex.identity import Identity
from addons.providers.codex.lineage import Lineages
from addons.providers.codex.resolution import Scope, resolve
from tests.providers.codex.exchanges import FULL, LITE, Side, body_of, everything, key_accounts

type Json = dict[str, Any]

NOW = 1_800_000_000.0
S = "0197c0de-0000-7000-8000-000000000001"
T = "0197c0de-0000-7000-8000-000000000002"
TURN = "0197c0de-0000-7000-8000-000000000004"
AGENT = "0b0f8a52-5d0c-4a58-9c55-1c1b6f6f7c11"
ITEM = "msg_0123456789abcdef0123456789"
USER: Json = {"type": "message", "role": "user", "content": "hello"}


def make(
    headers: dict[str, str] | None = None,
    body: Json | None = None,
    *,
    principal: str = "local",
    stored: Lineages | None = None,
    websocket: bool = False,
    continued: Scope | None = None,
) -> Identity:
    counter = itertools.count(1)
    return resolve(
        [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        body if body is not None else {},
        websocket=websocket,
        principal=principal,
        now=NOW,
        mint=lambda: f"0199ffff-0000-7000-8000-{next(counter):012x}",
        stored=stored,
        continued=continued,
    )


# --- the order of signals ------------------------------------------------------------------------

AGENT_ID = json.dumps({"device_id": "d", "session_id": AGENT})
STEPS: list[tuple[str, dict[str, str], Json]] = [
    ("prompt_cache_key", {}, {"prompt_cache_key": "a key"}),
    ("header session-id", {"session-id": "ses_1"}, {}),
    ("header session_id", {"session_id": "ses_2"}, {}),
    ("header x-session-id", {"x-session-id": "ses_3"}, {}),
    ("header x-session-affinity", {"x-session-affinity": "ses_4"}, {}),
    ("header x-claude-code-session-id", {"X-Claude-Code-Session-Id": AGENT}, {}),
    ("metadata.user_id", {}, {"metadata": {"user_id": AGENT_ID}}),
    ("conversation", {}, {"conversation": {"id": "conv_1"}}),
    ("conversation_id", {}, {"conversation_id": "conv_2"}),
    ("header idempotency-key", {"Idempotency-Key": "once"}, {}),
]
"""Name of the signal, and where it stands; best first."""

SCOPE = Scope(S, S, 3)


@pytest.mark.parametrize("first", range(len(STEPS)))
def test_the_first_usable_signal_wins(first: int) -> None:
    headers: dict[str, str] = {}
    body: Json = {"input": [USER]}
    for _, own_headers, own_body in STEPS[first:]:
        headers |= own_headers
        body |= own_body
    name, own_headers, own_body = STEPS[first]
    found = make(headers, body, continued=SCOPE)
    assert found.sources["conversation"] == name
    alone = make(own_headers, {"input": [USER], **own_body})
    assert found.session_id == alone.session_id != make(body={"input": [USER]}).session_id
    assert ids.official(found.session_id)


def test_after_the_callers_signals_come_the_response_the_lineage_and_the_content() -> None:
    stored = Lineages()
    known = make(body={"prompt_cache_key": "k", "input": [USER]}, stored=stored)
    stored.remember(known.session_id, known.strand(NOW))
    stored.given(known.session_id, {"id": ITEM})
    body = {"input": [{**USER, "content": "summary"}, {"type": "reasoning", "id": ITEM}]}
    found = make(body=body, stored=stored, continued=SCOPE)
    assert (found.session_id, found.sources["conversation"]) == (S, "previous response")
    assert (found.thread_id, found.window_number) == (S, 3)
    found = make(body=body, stored=stored)
    assert (found.session_id, found.sources["conversation"]) == (known.session_id, "lineage")
    assert make(body=body, stored=stored, principal="other").session_id != known.session_id
    assert make(body=body).sources["conversation"] == "content"


def test_without_anything_the_caller_and_then_the_account_are_all_there_is() -> None:
    local, keyed = make(), make(principal="5ec7e7")
    assert (local.sources["conversation"], local.conversation("local")) == ("account", "")
    assert keyed.sources["conversation"] == "principal"
    assert keyed.conversation("5ec7e7") == make(principal="5ec7e7").conversation("5ec7e7")
    assert local.sources["session_id"] == "minted"


@pytest.mark.parametrize(
    "user_id",
    [
        "someone@example.test",
        "user_abc",
        "user_abc_account__session_",
        "{",
        "[]",
        '{"session_id": 3}',
        "{" * 5000,
        7,
        None,
    ],
)
def test_a_bare_user_id_is_no_session(user_id: Any) -> None:
    body = {"input": [USER], "metadata": {"user_id": user_id}}
    assert make(body=body).sources["conversation"] == "content"


def test_both_forms_of_an_agents_user_id_give_its_session() -> None:
    forms = (AGENT_ID, f"user_ab12_account_cd34_session_{AGENT}")
    found = {
        make(body={"input": [USER], "metadata": {"user_id": form}}).session_id for form in forms
    }
    found.add(make({"x-claude-code-session-id": AGENT}, {"input": [USER]}).session_id)
    assert len(found) == 1


def test_a_key_that_an_sdk_makes_for_each_request_is_no_signal() -> None:
    found = make({"idempotency-key": "stainless-python-retry-1"}, {"input": [USER]})
    assert found.sources["conversation"] == "content"


def test_a_history_without_its_beginning_is_of_the_same_thread() -> None:
    stored = Lineages()
    body: Json = {"instructions": "Be brief.", "input": [USER]}
    one = make(body=body, stored=stored)
    stored.remember(one.session_id, one.strand(NOW))
    stored.given(one.session_id, {"type": "message", "id": ITEM})
    cut = {
        **body,
        "input": [{"role": "assistant", "id": ITEM, "content": "x"}, {**USER, "content": "more"}],
    }
    two = make(body=cut, stored=stored)
    assert (two.session_id, two.thread_id) == (one.session_id, one.thread_id)
    side = make(body={**cut, "instructions": "Make a title."}, stored=stored)
    assert side.session_id == one.session_id
    assert side.thread_id != one.thread_id


# --- one owner for each id -----------------------------------------------------------------------


def official(principal: str, stored: Lineages) -> Identity:
    body = {
        "input": [USER],
        "prompt_cache_key": S,
        "client_metadata": {"turn_id": TURN, "x-codex-window-id": f"{T}:2"},
    }
    headers = {"session-id": S, "thread-id": T, "x-codex-parent-thread-id": S}
    found = make(headers, body, principal=principal, stored=stored)
    stored.remember(found.session_id, found.strand(NOW), principal)
    return found


def all_ids(found: Identity) -> set[str | None]:
    return {
        found.session_id,
        found.thread_id,
        found.client_request_id,
        found.turn_id,
        found.root_turn_id,
        found.parent_thread_id,
        found.context_window_id,
        found.cache_key,
    } - {None, ""}


def test_an_official_id_belongs_to_who_used_it_first() -> None:
    stored = Lineages()
    one, two = official("one", stored), official("two", stored)
    assert (one.session_id, one.thread_id, one.turn_id) == (S, T, TURN)
    assert not all_ids(one) & all_ids(two)
    assert two.parent_thread_id == two.session_id == two.cache_key
    assert two.window_number == 2
    assert official("one", stored) == one
    assert official("two", stored) == two


official_ids = st.sampled_from([S, T, TURN])
texts = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8)
request_headers = st.dictionaries(
    st.sampled_from(
        ["session-id", "thread-id", "x-session-id", "x-session-affinity", "idempotency-key"]
    ),
    st.one_of(texts, official_ids),
)
bodies = st.fixed_dictionaries(
    {"input": st.lists(st.builds(lambda text: {**USER, "content": text}, texts), min_size=1)},
    optional={
        "instructions": texts,
        "prompt_cache_key": st.one_of(texts, official_ids),
        "conversation_id": texts,
        "client_metadata": st.dictionaries(
            st.sampled_from(["session_id", "thread_id"]), st.one_of(texts, official_ids)
        ),
    },
)


@given(request_headers, bodies, st.booleans())
def test_no_two_principals_share_an_id(
    headers: dict[str, str], body: Json, websocket: bool
) -> None:
    stored = Lineages()
    found = []
    for principal in ("one", "two", "three"):
        each = make(headers, body, principal=principal, stored=stored, websocket=websocket)
        stored.remember(each.session_id, each.strand(NOW), principal)
        found.append(all_ids(each) | {each.conversation(principal)})
    for one, two in itertools.combinations(found, 2):
        assert not one & two


# --- surfaces ------------------------------------------------------------------------------------

SURFACES = ("header", "client_metadata", "header copy", "body copy")


def placed(fields: dict[str, str], surface: str, headers: dict[str, str], client: Json) -> None:
    """Write fields on a surface."""
    match surface:
        case "header":
            headers |= {name.replace("_", "-"): value for name, value in fields.items()}
        case "client_metadata":
            client |= fields
        case "header copy":
            headers["x-codex-turn-metadata"] = json.dumps(fields)
        case "body copy":
            client["x-codex-turn-metadata"] = json.dumps(fields)


@given(
    st.permutations(SURFACES),
    st.permutations(SURFACES),
    st.lists(official_ids, min_size=4, max_size=4),
    st.booleans(),
)
def test_a_caller_that_splits_its_identity_gets_consistent_values_out(
    one: list[str], two: list[str], values: list[str], websocket: bool
) -> None:
    """The order in which surfaces are written is no matter, and all of them agree afterwards."""
    found = []
    for order in (one, two):
        headers: dict[str, str] = {}
        client: Json = {}
        for surface in order:
            value = values[SURFACES.index(surface)]
            placed({"session_id": value, "thread_id": value}, surface, headers, client)
        body = {"input": [USER], "client_metadata": client}
        found.append(make(headers, body, websocket=websocket))
    assert all_ids(found[0]) == all_ids(found[1])
    assert found[0].session_id == found[0].thread_id == found[0].client_request_id


async def test_every_surface_that_goes_upstream_says_the_same() -> None:
    side = Side()
    exchange = side.exchange(
        body={"model": FULL, "input": [USER], "client_metadata": {"thread_id": T}},
        headers=[("session_id", S), ("x-codex-turn-metadata", json.dumps({"turn_id": TURN}))],
    )
    request = await side.sent(exchange)
    headers = {key.decode(): value.decode() for key, value in request.headers}
    body = body_of(request)
    client = body["client_metadata"]
    said = json.loads(headers["x-codex-turn-metadata"])
    assert said.items() <= json.loads(client["x-codex-turn-metadata"]).items()
    assert "session_id" not in headers
    assert (
        {S}
        == {headers["session-id"], client["session_id"], said["session_id"]}
        == {body["prompt_cache_key"]}
    )
    assert {T} == {headers["thread-id"], client["thread_id"], said["thread_id"]}
    assert {TURN} == {client["turn_id"], said["turn_id"]}
    assert {f"{T}:0"} == {
        headers["x-codex-window-id"],
        client["x-codex-window-id"],
        said["window_id"],
    }


def test_the_callers_start_of_the_turn_is_kept() -> None:
    for place in ("header copy", "body copy"):
        headers: dict[str, str] = {}
        client: Json = {}
        placed({"session_id": S, "turn_id": TURN}, place, headers, client)
        for target in (headers, client):
            if text := target.get("x-codex-turn-metadata"):
                said = {**json.loads(text), "turn_started_at_unix_ms": 1_700_000_000_123}
                target["x-codex-turn-metadata"] = json.dumps(said)
        found = make(headers, {"input": [USER], "client_metadata": client})
        assert found.turn_started_ms == 1_700_000_000_123
    odd = make({"x-codex-turn-metadata": '{"turn_started_at_unix_ms": 7}'}, {"input": [USER]})
    assert odd.turn_started_ms == int(NOW * 1000)
    assert "milliseconds" in odd.notes[0]


# --- what never goes upstream --------------------------------------------------------------------

SECRET = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789"), min_size=16, max_size=40)


@pytest.mark.parametrize("model", [FULL, LITE])
@pytest.mark.parametrize("keyed", [False, True], ids=["sign-in", "api key"])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
@settings(max_examples=12)
@given(secret=SECRET, place=st.sampled_from(range(len(STEPS))))
async def test_no_key_of_a_caller_can_be_read_upstream(
    model: str, keyed: bool, path: str, secret: str, place: int
) -> None:
    name, own_headers, own_body = STEPS[place]
    if name == "conversation":
        return  # refused by one upstream, and a member of the other's API
    if name == "metadata.user_id":
        own_body = {"metadata": {"user_id": json.dumps({"session_id": secret})}}
    else:
        own_body = dict.fromkeys(own_body, secret)
    if path.endswith("completions"):
        said: Json = {"messages": [{"role": "user", "content": "hello"}]}
        own_body = {k: v for k, v in own_body.items() if k in ("prompt_cache_key", "metadata")}
    else:
        said = {"input": [USER]}
    side = (Side(own=key_accounts("ada")) if keyed else Side()).with_models()
    headers = [(key, secret) for key in own_headers]
    headers.append(("authorization", f"Bearer client-{secret}"))
    exchange = side.exchange(
        path, {"model": model, **said, **own_body}, headers=headers, principal=f"p{secret}"
    )
    text = everything(await side.sent(exchange))
    digits = secret.encode().hex()
    assert secret not in text
    assert digits not in text.replace("-", "")
    assert exchange.conversation.startswith(f"p{secret}:")


# --- a member that is kept on every way ----------------------------------------------------------

RETENTION = {"prompt_cache_retention": "24h"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/responses", {"input": [USER]}),
        ("/v1/responses/compact", {"input": [USER]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
        ("/backend-api/codex/responses", {"input": [USER]}),
    ],
)
@pytest.mark.parametrize("model", [FULL, LITE])
async def test_the_cache_retention_is_kept_and_learned_away(
    path: str, said: Json, model: str
) -> None:
    side = Side().with_models()
    body = {"model": model, **said, **RETENTION}
    exchange = side.exchange(path, body)
    assert body_of(await side.sent(exchange))["prompt_cache_retention"] == "24h"
    refused = {"detail": "Unsupported parameter: prompt_cache_retention"}
    side.answered(exchange, 400, refused)
    assert "prompt_cache_retention" not in body_of(await side.sent(exchange))
    again = await side.sent(side.exchange(path, body))
    assert "prompt_cache_retention" not in body_of(again)


async def test_the_cache_retention_is_kept_over_websocket() -> None:
    side = Side()
    exchange = side.socket()
    await side.sent(exchange)
    message = {"type": "response.create", "model": FULL, "input": [USER], **RETENTION}
    text = side.provider.client_frame(exchange, json.dumps(message).encode())
    assert json.loads(text)["prompt_cache_retention"] == "24h"


def test_an_old_official_client_has_one_thread_in_a_session() -> None:
    """0.125.0 names its session alone (recorded): a compacted history is no side thread."""
    stored = Lineages()
    session = "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70"
    headers = [(b"originator", b"codex_exec"), (b"session_id", session.encode())]
    first = {"instructions": "A", "input": [{"role": "user", "content": "one"}]}
    later = {"instructions": "B", "input": [{"role": "user", "content": "a summary"}]}
    for body in (first, later):
        found = resolve(
            headers, body, websocket=False, principal="p", now=1.8e9, mint=ids.Mint(), stored=stored
        )
        assert found.thread_id == found.session_id == session
        stored.remember(found.session_id, found.strand(1.8e9), "p")
