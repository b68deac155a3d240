"""The checker is checked: every field of every recorded request is changed, one at a time.

What cannot be caught is named below, with the reason: fields that are there only sometimes, and
values that come from the machine, the server or the caller.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from fingerprints.check import Layer
from fingerprints.profile import Profile
from fingerprints.serial import ascii_text
from tests.fingerprints.recordings import Case, cases

METADATA = "x-codex-turn-metadata"

ANY_VALUE = {"tool_choice"}
"""The profile allows any JSON value."""

CONTENT = {
    # the caller's: only the type is looked at
    "body:tool_choice",
    "body:parallel_tool_calls",
    "body:input",
    "body:tools",
    "body:instructions",
    "body:service_tier",
    "body:reasoning.effort",
    "body:text.verbosity",
    "body:text.format",
    "body:model",
    "body:id",
    "body:method",
    "body:params",
    "body:events",
    "body:client_id",
}

SAID_TWICE = {
    # … but these are equal to a member of the metadata, where the release has it
    "body:model": "model",
    "body:reasoning.effort": "reasoning_effort",
}

OPTIONAL = {
    # sometimes there, and nothing else in the request says whether it should be
    "header:x-codex-turn-state",
    "body:client_metadata.x-codex-turn-state",
    "body:previous_response_id",
    "body:instructions",
    "body:text.format",
    "body:id",
    "body:params",
}

METADATA_OPTIONAL = {"turn_trigger", "workspaces"}
"""Sometimes there; when dropped from both copies, nothing else says so."""

OPEN = {
    # any text is right here: the value comes from the machine, the server or the user
    "header:x-codex-turn-state",
    "header:chatgpt-account-id",
    "header:x-codex-beta-features",
    "header:host",
    "header:Host",
    "header:Sec-WebSocket-Key",
    "body:client_metadata.x-codex-turn-state",
    "body:client_metadata.mcp_attribution",
    "body:previous_response_id",
    "body:refresh_reason",
    "body:refresh_token",
}

OPEN_OVER_WEBSOCKET = {
    # over HTTP these stand twice
    "header:x-openai-subagent",
    "body:client_metadata.x-openai-subagent",
}

LINE = {"Upgrade"}
"""Without it the request is another one."""


OTHER = {"authorization": "Basic x", "user-agent": "curl/8.5.0"}
"""Changed values of headers that have an open part."""


def header_mutants(recorded: Case) -> Iterator[tuple[str, Case, Layer | None]]:
    headers = list(recorded.headers)
    group = _random_order(recorded.profile, recorded)
    for index, (name, value) in enumerate(headers):
        rest = headers[:index] + headers[index + 1 :]
        path = f"header:{name}"
        if path not in OPTIONAL:
            layer = Layer.REQUEST_LINE if name in LINE else Layer.HEADER_SET
            yield f"drop {name}", recorded.with_headers(rest), layer
        renamed = [*headers[:index], (f"{name}-x", value), *headers[index + 1 :]]
        layer = Layer.REQUEST_LINE if name in LINE else Layer.HEADER_SET
        yield f"rename {name}", recorded.with_headers(renamed), layer
        twice = [*headers[: index + 1], (name, value), *headers[index + 1 :]]
        yield f"repeat {name}", recorded.with_headers(twice), Layer.HEADER_SET
        cased = [*headers[:index], (name.swapcase(), value), *headers[index + 1 :]]
        yield f"re-case {name}", recorded.with_headers(cased), Layer.HEADER_CASE
        for other in {0, index + 1, len(headers) - 1}:
            moved = [*rest[:other], (name, value), *rest[other:]]
            if not _same_but_random(moved, headers, group):
                yield f"move {name} to {other}", recorded.with_headers(moved), Layer.HEADER_ORDER
        if name == "content-length":
            continue  # set again by the case; test_content_length has it
        if path not in _open(recorded):
            other_value = OTHER.get(name, f"{value}x")
            changed = [*headers[:index], (name, other_value), *headers[index + 1 :]]
            yield f"change {name}", recorded.with_headers(changed), None


def member_mutants(recorded: Case) -> Iterator[tuple[str, Case, Layer | None]]:
    for path in _objects(recorded.data):
        names = list(_at(recorded.data, path))
        for name in names:
            here = ".".join([*path, name])
            if f"body:{here}" not in OPTIONAL:
                yield f"drop {here}", _with(recorded, path, _drop, name), Layer.MEMBER_PRESENCE
            yield f"rename {here}", _with(recorded, path, _rename, name), Layer.MEMBER_PRESENCE
            if name not in ANY_VALUE:
                yield f"type of {here}", _with(recorded, path, _retype, name), None
            if f"body:{here}" not in _open(recorded) and (
                f"body:{here}" not in CONTENT or _said_twice(recorded, f"body:{here}")
            ):
                yield f"change {here}", _with(recorded, path, _change, name), None
            if path != ("client_metadata",) and name != names[-1]:
                yield f"move {here}", _with(recorded, path, _last, name), Layer.MEMBER_ORDER


def metadata_mutants(recorded: Case) -> Iterator[tuple[str, Case, Layer | None]]:
    """The metadata text, changed in the header and in its copy alike."""
    metadata = _metadata(recorded)
    if not metadata:
        return
    for path in _objects(metadata, skip=("workspaces",)):
        names = list(_at(metadata, path))
        for name in names:
            here = ".".join([*path, name])
            kept = name in METADATA_OPTIONAL
            if not kept:
                yield f"drop {here}", _remeta(recorded, metadata, path, _drop, name), None
            yield f"rename {here}", _remeta(recorded, metadata, path, _rename, name), None
            yield f"type of {here}", _remeta(recorded, metadata, path, _retype, name), None
            if name not in FREE_METADATA and (
                name not in SAID_TWICE.values() or _in_body(recorded, name)
            ):
                yield f"change {here}", _remeta(recorded, metadata, path, _change, name), None
            if name != names[-1]:
                mutant = _remeta(recorded, metadata, path, _last, name)
                yield f"move {here}", mutant, Layer.MEMBER_ORDER


FREE_METADATA = {
    "agent_name",
    "subagent_kind",
    "thread_source",
    "turn_trigger",
    "sandbox",
    "sandbox_mode",
    "auto_review_enabled",
    "node_repl_auto_review_required",
    "node_repl_disabled",
    "analytics_enabled",
    "turn_started_at_unix_ms",
    "workspaces",
}
"""Values that stand nowhere else: any of the right type is right."""


def _cases(*, headers: bool = False, data: bool = False) -> list[Any]:
    """One case of each kind, transport and shape; the rest is marked slow."""
    chosen = [each for each in cases() if (each.headers or not headers) and (each.data or not data)]
    return [
        pytest.param(each, id=each.name, marks=[pytest.mark.slow] if _again(each) else [])
        for each in chosen
    ]


def _again(each: Case) -> bool:
    return each.name.rpartition("-")[2].isdecimal() or each.sign_in == "api_key"


@pytest.mark.parametrize("recorded", _cases(headers=True))
def test_every_header_mutant_is_caught(recorded: Case) -> None:
    assert _survivors(header_mutants(recorded)) == []


@pytest.mark.parametrize("recorded", _cases(data=True))
def test_every_member_mutant_is_caught(recorded: Case) -> None:
    assert _survivors(member_mutants(recorded)) == []


@pytest.mark.parametrize("recorded", _cases())
def test_every_metadata_mutant_is_caught(recorded: Case) -> None:
    assert _survivors(metadata_mutants(recorded)) == []


def test_there_are_mutants() -> None:
    """The tests above would also pass with nothing to do."""
    recorded = next(each for each in cases() if each.name == "0.169.0/turn-http-lite-chatgpt")
    counts = [
        len(list(make(recorded))) for make in (header_mutants, member_mutants, metadata_mutants)
    ]
    assert counts[0] > 100
    assert counts[1] > 60
    assert counts[2] > 60


def _open(recorded: Case) -> set[str]:
    return OPEN | OPEN_OVER_WEBSOCKET if recorded.transport == "websocket" else OPEN


def _metadata(recorded: Case) -> dict[str, Any]:
    texts = [value for name, value in recorded.headers if name == METADATA]
    if isinstance(recorded.data, dict) and "client_metadata" in recorded.data:
        texts.append(recorded.data["client_metadata"][METADATA])
    found: dict[str, Any] = json.loads(texts[0]) if texts else {}
    return found


def _said_twice(recorded: Case, path: str) -> bool:
    return SAID_TWICE.get(path) in _metadata(recorded)


def _in_body(recorded: Case, name: str) -> bool:
    """Whether a member of the metadata has its equal outside (the routing hint counts)."""
    return recorded.data is not None or (
        name == "model" and any(key == "x-codex-routing-hint" for key, _ in recorded.headers)
    )


def _survivors(mutants: Iterator[tuple[str, Case, Layer | None]]) -> list[str]:
    out = []
    for name, mutant, layer in mutants:
        found = mutant.check()
        if not found:
            out.append(f"{name}: not caught")
        elif layer is not None and layer not in {difference.layer for difference in found}:
            out.append(f"{name}: not in layer {layer}: {found[0]}")
    return out


def _objects(data: Any, skip: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of the objects that the profile describes: all but the caller's content."""
    if not isinstance(data, dict):
        return []
    content = ("format", "params", *skip)
    inner = [name for name, value in data.items() if isinstance(value, dict)]
    return [
        (),
        *((name, *path) for name in inner if name not in content for path in _objects(data[name])),
    ]


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        data = data[name]
    return data


def _with(recorded: Case, path: tuple[str, ...], change: Any, name: str) -> Case:
    data = copy.deepcopy(recorded.data)
    _apply(data, path, change, name)
    return recorded.with_data(data)


def _apply(data: Any, path: tuple[str, ...], change: Any, name: str) -> None:
    here = _at(data, path)
    changed = change(dict(here), name)
    here.clear()
    here.update(changed)


def _remeta(recorded: Case, metadata: Any, path: tuple[str, ...], change: Any, name: str) -> Case:
    data = copy.deepcopy(metadata)
    _apply(data, path, change, name)
    text = ascii_text(data)
    headers = [(key, text if key == METADATA else value) for key, value in recorded.headers]
    mutant = recorded.with_headers(headers)
    if isinstance(recorded.data, dict) and "client_metadata" in recorded.data:
        body = copy.deepcopy(recorded.data)
        body["client_metadata"][METADATA] = text
        mutant = mutant.with_data(body)
    return mutant


def _drop(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}


def _rename(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {f"{key}_x" if key == name else key: value for key, value in data.items()}


def _last(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {**_drop(data, name), name: data[name]}


def _retype(data: dict[str, Any], name: str) -> dict[str, Any]:
    """A number becomes text, everything else null."""
    value = data[name]
    number = isinstance(value, int) and not isinstance(value, bool)
    return {**data, name: str(value) if number else None}


def _change(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data[name]
    match value:
        case bool():
            changed: Any = not value
        case int():
            changed = value + 1
        case str():
            changed = f"{value}x"
        case list():
            changed = [*value, None]
        case _:
            changed = {**value, "made_up": 1}
    return {**data, name: changed}


def _random_order(profile: Profile, recorded: Case) -> set[str]:
    forms = profile.requests[recorded.kind]
    groups = next(iter(forms.values())).unordered
    return {name for group in groups for name in group}


def _same_but_random(
    one: list[tuple[str, str]], other: list[tuple[str, str]], group: set[str]
) -> bool:
    def masked(headers: list[tuple[str, str]]) -> list[str]:
        return ["*" if name in group else name for name, _ in headers]

    return masked(one) == masked(other)
