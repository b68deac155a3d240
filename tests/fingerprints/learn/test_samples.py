"""What the samples of traces are taken for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fingerprints.learn import samples
from fingerprints.learn.vocabulary import load
from fingerprints.trace import Conditions, Exchange, Message, Origin, Payload, Trace
from tests.fingerprints.learn.made_up import VOCABULARY, Run, recordings, trace

CODEX = load("codex")


def of(exchange: Exchange, **conditions: Any) -> list[samples.Sample]:
    """The samples of one exchange."""
    found = [
        Trace(
            client="codex",
            release="7.8.9",
            scenario="turn",
            conditions=Conditions(**conditions),
            origin=Origin(tool="made up", on="2026-01-01", run=run),
            exchanges=(exchange,) if run == 1 else (),
        )
        for run in (1, 2)
    ]
    return list(samples.read(found, CODEX).samples)


def request(method: str, path: str, data: Any = None, **headers: str) -> Exchange:
    return Exchange(
        number=1,
        method=method,
        authority="chatgpt.com",
        path=path,
        headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()),
        body=None if data is None else Payload(form="json", length=1, data=data),
    )


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        (request("POST", "/backend-api/codex/responses", {}), "turn"),
        (request("POST", "/v1/responses", {}), "turn"),
        (request("POST", "/v1/responses/compact", {}), "compact"),
        (request("POST", "/v1/responses", {}, codex_task_type="compact"), "compaction"),
        (request("GET", "/backend-api/codex/models?client_version=1"), "models"),
        (request("GET", "/v1/responses", upgrade="websocket"), "upgrade"),
        (request("GET", "/backend-api/wham/new/thing"), "new_thing"),
        (request("PUT", "/backend-api/wham/new/thing"), "new_thing_put"),
        (request("GET", "/"), "root"),
        (
            request(
                "POST",
                "/v1/responses",
                {"client_metadata": {"x-codex-turn-metadata": '{"request_kind":"Dream Of"}'}},
            ),
            "dream_of",
        ),
    ],
)
def test_kinds(exchange: Exchange, kind: str) -> None:
    (found,) = of(exchange)
    assert found.kind == kind


def test_messages_are_kinds_of_their_own() -> None:
    upgrade = request("GET", "/v1/responses", upgrade="websocket")
    messages = [
        Message(sender="client", at=0, payload=Payload(form="json", length=1, data=data))
        for data in ({"type": "response.create", "generate": False}, {"type": "response.create"})
    ]
    messages.insert(1, Message(sender="server", at=0, payload=messages[0].payload))
    messages.append(Message(sender="client", at=0, payload=Payload(form="text", length=1)))
    found = of(upgrade.model_copy(update={"messages": tuple(messages)}))
    assert [(each.kind, each.method, each.message) for each in found] == [
        ("upgrade", "GET", -1),
        ("prewarm", None, 0),
        ("turn", None, 1),
    ]


@pytest.mark.parametrize(
    ("token", "said", "sign_in"),
    [
        ("Bearer sk-⟨secret:1⟩", "", "api_key"),
        ("Bearer ⟨jwt:1⟩", "", "chatgpt"),
        ("Bearer ⟨jwt:1⟩", "api_key", "api_key"),
    ],
)
def test_the_sign_in_is_the_recordings_or_the_tokens(token: str, said: str, sign_in: str) -> None:
    (found,) = of(request("GET", "/v1/models", authorization=token), sign_in=said)
    assert found.sign_in == sign_in


def test_a_call_without_a_token_counts_as_one_with_a_key_where_both_make_it() -> None:
    found = samples.read(recordings(), VOCABULARY).samples
    lists = [each for each in found if each.kind == "models"]
    assert {each.sign_in for each in lists} == {"api_key"}
    assert {each.account for each in lists} == {"chatgpt", "api_key"}


def test_an_upgrade_has_the_shape_of_its_messages() -> None:
    run = Run(random.Random(3), transport="websocket", small=True)
    words = VOCABULARY.model_copy(
        update={
            "shapes": (
                VOCABULARY.shapes[0].model_copy(
                    update={
                        "marks": (
                            VOCABULARY.shapes[0]
                            .marks[0]
                            .model_copy(update={"at": "body:model", "is_": "tiny"}),
                        )
                    }
                ),
                VOCABULARY.shapes[1],
            )
        }
    )
    found = samples.read([trace(run, 1), trace(run, 2)], words).samples
    assert {each.shape for each in found if each.transport == "websocket"} == {"small"}
