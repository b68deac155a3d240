"""Random profiles: what the applier makes of one is learned, and the learned one is as strict.

The applier and the checker are given; the learner sees only the traffic.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprints import apply
from fingerprints.learn import learn_release
from fingerprints.learn.verify import verify
from fingerprints.learn.vocabulary import load
from fingerprints.profile import Profile
from fingerprints.trace import Coding, Conditions, Exchange, Origin, Payload, Trace

VOCABULARY = load("codex").model_copy(update={"hosts": ()})

HEADERS: list[dict[str, Any]] = [
    {"name": "version", "value": "version"},
    {"name": "x-made-up", "value": {"const": "yes"}},
    {"name": "session-id", "value": {"uuid": 7}, "role": "session_id"},
    {"name": "thread-id", "value": {"uuid": 7}, "role": "thread_id"},
    {"name": "x-client-request-id", "value": {"uuid": 7}, "role": "thread_id"},
    {"name": "x-codex-window-id", "value": {"template": "{thread_id}:{window_number}"}},
    {"name": "x-codex-turn-metadata", "value": {"json": "turn_metadata"}},
    {"name": "authorization", "value": {"template": "Bearer {access_token}"}},
    {"name": "x-lite-only", "value": {"const": "1"}, "when": {"shape": ["lite"]}},
    {
        "name": "chatgpt-account-id",
        "value": "text",
        "role": "account_id",
        "when": {"sign_in": ["chatgpt"]},
    },
    {"name": "x-openai-subagent", "value": "text", "role": "subagent", "presence": "sometimes"},
    {
        "name": "x-codex-parent-thread-id",
        "value": {"uuid": 7},
        "role": "parent_thread_id",
        "when": {"has": ["subagent"]},
    },
]
BODY: list[dict[str, Any]] = [
    {"name": "model", "value": {"content": "string"}, "role": "model"},
    {"name": "store", "value": {"const": False}},
    {"name": "stream", "value": {"const": True}},
    {"name": "include", "value": {"const": ["made.up"]}},
    {"name": "tools", "value": {"content": "array"}, "default": [], "when": {"shape": ["full"]}},
    {"name": "new_member", "value": {"const": {"depth": 2}}},
    {"name": "input", "value": {"content": "array"}, "default": []},
]
META: list[dict[str, Any]] = [
    {"name": "turn_id", "value": {"uuid": 7}, "role": "turn_id"},
    {"name": "session_id", "value": {"uuid": 7}, "role": "session_id"},
    {"name": "sandbox", "value": "text", "role": "sandbox", "default": "seccomp"},
    {"name": "turn_started_at_unix_ms", "value": "time_ms", "role": "turn_started_at_unix_ms"},
    {"name": "new_flag", "value": {"const": True}},
    {
        "name": "parent_thread_id",
        "value": {"uuid": 7},
        "role": "parent_thread_id",
        "when": {"has": ["subagent"]},
    },
]
LITE = {"name": "x-openai-internal-codex-responses-lite", "value": {"const": "true"}}


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Some of the fields above, in any order; the thread or the session as the cache key."""

    def some(pool: list[dict[str, Any]], needed: set[str]) -> list[dict[str, Any]]:
        kept = [each for each in pool if each["name"] in needed or draw(st.booleans())]
        return draw(st.permutations(kept))

    headers = some(HEADERS, {"authorization", "x-openai-subagent", "thread-id", "session-id"})
    headers.insert(draw(st.integers(0, len(headers))), {**LITE, "when": {"shape": ["lite"]}})
    key = draw(st.sampled_from(["thread_id", "session_id"]))
    cache = {"name": "prompt_cache_key", "value": {"uuid": 7}, "role": key}
    body = [*some(BODY, {"model", "input"}), cache]
    return Profile.model_validate(
        {
            "format": 1,
            "client": "codex",
            "release": "7.8.9",
            "recorded": {"with": "made up", "on": "2026-01-01"},
            "originators": {"codex_exec": "made up"},
            "shapes": {
                "full": {"instructions": "member", "tools": "member"},
                "lite": {"instructions": "member", "tools": "member"},
            },
            "models": [{"match": ["small"], "shape": "lite"}, {"match": ["*"], "shape": "full"}],
            "headers": {"responses": headers},
            "documents": {
                "response_create": {"members": draw(st.permutations(body))},
                "turn_metadata": {"members": some(META, {"turn_id"})},
            },
            "requests": {
                "turn": {
                    "http": {
                        "method": "POST",
                        "path": {"chatgpt": ["/a/responses"], "api_key": ["/b/responses"]},
                        "http": ["HTTP/2.0"],
                        "headers": "responses",
                        "body": "response_create",
                        "encodings": [
                            {
                                "name": "zstd",
                                "level": 3,
                                "content_size": False,
                                "checksum": False,
                                "window": 2097152,
                                "when": {"sign_in": ["chatgpt"]},
                            }
                        ],
                    }
                }
            },
        }
    )


def roles(dice: random.Random, sign_in: str, *, sub: bool) -> dict[str, Any]:
    def new() -> str:
        number = dice.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
        return str(uuid.UUID(int=number))

    session = new()
    return {
        "session_id": session,
        "thread_id": new() if sub else session,
        "turn_id": new(),
        "window_number": dice.randrange(3),
        "turn_started_at_unix_ms": 1_790_000_000_000 + dice.randrange(10**9),
        "access_token": "made-up" if sign_in == "chatgpt" else "sk-made-up",
        "account_id": "made-up-account",
        **({"subagent": "review", "parent_thread_id": session} if sub else {}),
    }


def recorded(profile: Profile, seed: int, run: int) -> list[Trace]:
    """Two requests of every variant."""
    dice = random.Random(f"{seed} {run}")
    out = []
    for sign_in in ("chatgpt", "api_key"):
        for model, shape in (("small", "lite"), ("large", "full")):
            for sub in (False, True):
                exchanges = []
                for number in (1, 2):
                    made = apply.request(
                        profile,
                        "turn",
                        shape=shape,
                        sign_in=sign_in,  # type: ignore[arg-type]
                        roles={**roles(dice, sign_in, sub=sub), "model": model},
                        content={"model": model, "input": []},
                    )
                    exchanges.append(exchange_of(made, number))
                out.append(
                    Trace(
                        client="codex",
                        release=profile.release,
                        scenario="review" if sub else "turn",
                        conditions=Conditions(sign_in=sign_in, model=model),  # type: ignore[arg-type]
                        origin=Origin(tool="made up", on="2026-01-01", run=run),
                        exchanges=tuple(exchanges),
                    )
                )
    return out


def exchange_of(made: apply.Assembled, number: int) -> Exchange:
    raw = apply.dumps(made.data)
    coding = None
    if raw != made.body:
        coding = Coding(
            name="zstd",
            length=len(made.body),
            level=3,
            content_size=False,
            checksum=False,
            window=2097152,
        )
    return Exchange(
        number=number,
        http_version="HTTP/2.0",
        method=made.method,
        authority="api.example.com",
        path=made.path,
        headers=tuple(made.headers),
        body=Payload(form="json", length=len(raw), data=made.data, coding=coding),
    )


@pytest.mark.filterwarnings("error")
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(profiles(), st.integers(0, 99))
def test_what_a_profile_makes_is_learned(profile: Profile, seed: int) -> None:
    traces = recorded(profile, seed, 1) + recorded(profile, seed, 2)
    learned = learn_release(traces, VOCABULARY)
    assert [str(each) for each in learned.remaining] == []
    held_back = recorded(profile, seed + 1000, 3)
    assert [str(each) for each in verify(learned.profile, held_back, VOCABULARY)] == []
    assert learned.inapplicable == ""

    (key,) = [
        entry.role
        for entry in learned.profile.documents["response_create"].members
        if entry.name == "prompt_cache_key"
    ]
    (wanted,) = [
        entry.role
        for entry in profile.documents["response_create"].members
        if entry.name == "prompt_cache_key"
    ]
    assert key == wanted

    for trace in held_back:
        first = trace.exchanges[0]
        for index, (name, value) in enumerate(first.headers):
            rest = (*first.headers[:index], *first.headers[index + 1 :])
            mutants = [rest, (*first.headers, (f"{name}-x", value))]
            if index + 1 < len(first.headers):
                mutants.append((*rest, (name, value)))
            for headers in mutants:
                mutant = first.model_copy(update={"headers": headers})
                broken = trace.model_copy(update={"exchanges": (mutant,)})
                if headers == rest and name == "x-openai-subagent":
                    continue  # there sometimes; what depends on it is told, where there is any
                assert verify(learned.profile, [broken], VOCABULARY), (name, headers)
