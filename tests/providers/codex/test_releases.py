"""A profile that the code has never seen is followed as it stands: no release is in the code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from addons.errors import ClientError
from fingerprints.errors import ProfileError
from fingerprints.library import load
from tests.providers.codex.exchanges import (
    SAID,
    Side,
    body_of,
    differences,
    frame_differences,
    key_accounts,
)

type Json = dict[str, Any]
type Change = Callable[[Json], None]


def made_up(tmp_path: Path, *changes: Change, of: str = "codex@0.142.0") -> str:
    """A profile's file: a shipped one, changed."""
    data = load(of).as_data()
    data["release"] = "0.42.7"
    for change in changes:
        change(data)
    without_missing_kinds(data)
    file = tmp_path / "profile.yaml"
    file.write_text(json.dumps(data))  # JSON is YAML
    return str(file)


def without_missing_kinds(data: Json) -> None:
    """Entries of requests that the release does not make go with them."""
    lists = [*data["headers"].values(), *(each["members"] for each in data["documents"].values())]
    for entries in lists:
        for each in list(entries):
            kinds = each.get("when", {}).get("kind")
            left = [kind for kind in kinds or () if kind in data["requests"]]
            if kinds and not left:
                entries.remove(each)
            elif kinds:
                each["when"]["kind"] = left


def entry(entries: list[Json], name: str) -> Json:
    return next(each for each in entries if each["name"] == name)


def old_headers(data: Json) -> None:
    """Names, cases and an order of its own, and ids in other places."""
    entries = data["headers"]["responses"]
    entry(entries, "session-id")["name"] = "Conversation_ID"
    entry(entries, "thread-id")["name"] = "session_id"
    entries.reverse()
    entries.append({"name": "X-Constant", "value": {"const": "7"}})


def no_metadata(data: Json) -> None:
    """No identity but the headers', as releases before 0.107 (facts/codex-recordings.md)."""
    for name in ("responses", "upgrade"):
        entries = data["headers"].get(name, [])
        entries[:] = [each for each in entries if each["name"] != "x-codex-turn-metadata"]
    body = data["documents"][data["requests"]["turn"]["http"]["body"]]["members"]
    body[:] = [each for each in body if each["name"] != "client_metadata"]
    del data["requests"]["compaction"]


def no_websocket(data: Json) -> None:
    for kind in list(data["requests"]):
        data["requests"][kind].pop("websocket", None)
        if not data["requests"][kind]:
            del data["requests"][kind]


def http1_only(data: Json) -> None:
    for forms in data["requests"].values():
        for form in forms.values():
            if form.get("http"):
                form["http"] = ["HTTP/1.1"]
            form.pop("encodings", None)
    entries = data["headers"]["responses"]
    entries[:] = [each for each in entries if each["name"] != "content-encoding"]


def no_model_list(data: Json) -> None:
    del data["requests"]["models"]


OLD = (no_metadata, no_websocket, http1_only, no_model_list)


def asked(**more: Any) -> Json:
    return {"model": "gpt-5.5", "input": [SAID], "stream": True, **more}


@pytest.mark.parametrize(
    "changes",
    [(old_headers,), (no_metadata,), (http1_only,), OLD, (old_headers, *OLD)],
    ids=lambda changes: "+".join(each.__name__ for each in changes),
)
async def test_the_wire_is_the_profile_s(tmp_path: Path, changes: tuple[Change, ...]) -> None:
    profile = made_up(tmp_path, *changes)
    side = Side(profile=profile).with_models()
    request = await side.sent(side.exchange(body=asked(instructions="Be brief.")))
    assert differences(profile, request, shape="full") == []
    sent = [name.decode() for name, _ in request.headers]
    if old_headers in changes:
        assert sent[0] == "X-Constant" or sent[-1] == "X-Constant"
        assert "Conversation_ID" in sent
    if no_metadata in changes:
        assert "client_metadata" not in body_of(request)
        assert "x-codex-turn-metadata" not in sent
    if http1_only in changes:
        assert not request.http2
        assert body_of(request)["input"]
        assert "content-encoding" not in sent


async def test_messages_of_a_websocket_are_the_profile_s(tmp_path: Path) -> None:
    def turned(data: Json) -> None:
        document = data["documents"][data["requests"]["turn"]["websocket"]["body"]]
        document["members"].reverse()

    profile = made_up(tmp_path, turned)
    side = Side(profile=profile).with_models()
    exchange = side.socket()
    await side.sent(exchange)
    text = json.dumps({"type": "response.create", **asked()}).encode()
    made = side.provider.client_frame(exchange, text)
    assert frame_differences(profile, made, shape="full") == []
    assert list(json.loads(made))[-1] == "type"


async def test_a_release_without_websocket_sends_its_client_to_http(tmp_path: Path) -> None:
    side = Side(profile=made_up(tmp_path, no_websocket)).with_models()
    with pytest.raises(ClientError) as caught:
        await side.provider.plan(side.socket())
    assert caught.value.status == 426
    assert "codex@0.42.7" in caught.value.message


async def test_a_release_that_asks_for_no_list_serves_the_models_of_its_profile(
    tmp_path: Path,
) -> None:
    def one_model(data: Json) -> None:
        data["models"] = [
            {**data["models"][-1], "match": ["gpt-old", "gpt-*-max"]},
            data["models"][-1],
        ]

    side = Side(profile=made_up(tmp_path, no_model_list, one_model))
    _, listed = await side.generated(side.exchange("/v1/models", method="GET"))
    assert [each["id"] for each in listed["data"]] == ["gpt-old"]
    request = await side.sent(side.exchange(body=asked()))
    assert body_of(request)["model"] == "gpt-5.5"


async def test_a_shape_that_the_release_does_not_have_is_not_taken(tmp_path: Path) -> None:
    def no_lite(data: Json) -> None:
        del data["shapes"]["lite"]
        data["models"] = [data["models"][-1]]
        data["items"] = [each for each in data["items"] if each.get("shape") != ["lite"]]
        documents = [each["members"] for each in data["documents"].values()]
        for entries in [*data["headers"].values(), *documents]:
            entries[:] = [each for each in entries if each.get("when", {}).get("shape") != ["lite"]]

    profile = made_up(tmp_path, no_lite)
    side = Side(profile=profile).with_models()
    request = await side.sent(side.exchange(body={**asked(), "model": "gpt-5.6-terra"}))
    assert differences(profile, request) == []


def test_a_field_without_a_source_is_refused_at_start(tmp_path: Path) -> None:
    def wanting(data: Json) -> None:
        more = {"name": "x-parent", "value": {"uuid": 7}, "role": "parent_turn_id"}
        data["headers"]["responses"].append(more)

    with pytest.raises(ProfileError, match=r"header:x-parent is always sent.*parent_turn_id"):
        Side(profile=made_up(tmp_path, wanting))


def test_a_sign_in_that_was_not_recorded_is_refused_at_start(tmp_path: Path) -> None:
    def chatgpt_only(data: Json) -> None:
        for forms in data["requests"].values():
            for form in forms.values():
                form.get("path", {}).pop("api_key", None)

    profile = made_up(tmp_path, chatgpt_only)
    Side(profile=profile)
    with pytest.raises(ProfileError, match="account 'ada'"):
        Side(profile=profile, own=key_accounts("ada"))
