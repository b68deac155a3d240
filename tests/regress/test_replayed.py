"""The regression suite through a real floway: a test for each recording, one floway per profile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fingerprints.library import load as load_profile
from fingerprints.trace import Exchange
from replay.regress import replayed
from replay.regress.corpus import Recorded
from replay.regress.replayed import Replay
from tests.fingerprints.made_traces import Run, made, payload
from tests.fingerprints.recordings import cases
from tests.fingerprints.test_trace_check import socket
from tests.fingerprints.test_trace_view import exchange_of
from tests.regress.test_regress import RECORDED, shown

PLAN = replayed.plan(RECORDED)
FAST = ("tool", "turns", "structured")
"""What the names of the quick ones have in them, of clients that are not official."""


class Replays:
    """A floway for each profile, started when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Replay] = {}

    def __getitem__(self, profile: str) -> Replay:
        if profile not in self._running:
            replay = self._stack.enter_context(replayed.replaying(profile, RECORDED))
            self._running[profile] = replay
        return self._running[profile]


@pytest.fixture(scope="module")
def replays() -> Iterator[Replays]:
    with ExitStack() as stack:
        yield Replays(stack)


def _recordings() -> list[Any]:
    """All of them; most are slow, there are so many."""
    return [
        pytest.param(
            profile,
            each,
            id=f"{each.trace.name} as {profile}",
            marks=[] if _is_fast(each) else [pytest.mark.slow],
        )
        for profile, group in PLAN.items()
        for each in group
    ]


def _is_fast(recorded: Recorded) -> bool:
    return not recorded.official and any(word in recorded.trace.scenario for word in FAST)


@pytest.mark.xdist_group("replayed")
@pytest.mark.parametrize(("profile", "recorded"), _recordings())
def test_what_comes_out_is_what_the_official_client_sends(
    replays: Replays, profile: str, recorded: Recorded
) -> None:
    requests = replays[profile].requests(recorded)
    assert requests
    assert not (differences := shown(requests)), differences


# --- the plan ------------------------------------------------------------------------------------


def model_request(number: int, **changes: Any) -> Exchange:
    return Run(1).turn(number).model_copy(update=changes)


def test_model_requests_of_the_client_s_side_are_sent() -> None:
    body = Run(1).turn(1).body
    assert body is not None
    continued = body.model_copy(update={"data": {"previous_response_id": "resp_1"}})
    trace = made(
        [
            model_request(1),
            model_request(2, side="upstream"),
            model_request(3, path="/v1/analytics"),
            model_request(4, path="/v1/chat/completions?x=1", side="client"),
            model_request(5, body=continued),
        ]
    )
    assert [each.number for each in replayed.requests_of(trace)] == [1, 4]


def test_who_is_sent_as_what(tmp_path: Any) -> None:
    def recorded(run: int, **changes: Any) -> Recorded:
        return Recorded(tmp_path, Run(run).trace().model_copy(update=changes))

    official = {"client": "codex", "release": "0.142.0"}
    group = [
        recorded(1, **official),
        recorded(2, **official),
        recorded(1),
        recorded(1, client="codex", release="0.1.0"),
    ]
    plan = replayed.plan(group)
    assert plan["codex@0.142.0"] == [group[0]]  # of equal runs the first
    newest = load_profile("codex@latest").name
    assert plan[newest] == [group[2]]
    assert len(plan) == 2  # a release without a profile is left out
    assert list(replayed.plan(group, "codex@0.142.0").values()) == [[group[0], group[2], group[3]]]


def test_requests_to_a_model_are_those_that_floway_serves() -> None:
    paths = replayed.model_paths()
    assert {"/v1/responses", "/v1/chat/completions", "/backend-api/codex/responses"} <= paths
    assert "/v1/models" not in paths


def test_the_caller_s_paths() -> None:
    paths = replayed.content_paths(load_profile("codex@0.169.0"))
    assert {"body:input", "body:tools"} <= set(paths)
    assert "body:store" not in paths


def test_own_words_have_reasons() -> None:
    assert all(replayed.OWN_WORDS.values())


@pytest.mark.slow
def test_a_wrong_profile_cannot_agree_with_itself(tmp_path: Path) -> None:
    """floway writes by a profile from which a header is missing: only recordings can say so."""
    data = load_profile("codex@0.169.0").as_data()
    entries = data["headers"]["responses"]
    data["headers"]["responses"] = [each for each in entries if each["name"] != "version"]
    wrong = tmp_path / "wrong.yaml"
    with wrong.open("w") as file:
        YAML(typ="safe", pure=True).dump(data, file)
    names = [each for each in cases("0.169.0") if each.kind == "turn" and not each.is_frame]
    goldens = made([exchange_of(each) for each in names if each.sign_in == "chatgpt"])
    official = goldens.model_copy(update={"client": "codex", "release": "0.169.0"})
    body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Say hello."}]}
    asked = Exchange(
        number=1,
        method="POST",
        authority="x.example",
        path="/v1/chat/completions",
        headers=(("content-type", "application/json"),),
        body=payload(body),
    )
    with replayed.replaying(str(wrong), [Recorded(tmp_path, official)]) as replay:
        requests = replay.requests(Recorded(tmp_path, made([asked])))
    by_what = {each.trace.partition(" against ")[2]: each for each in requests}
    assert [each.path for each in by_what["the profile"].differences] == []
    missing = {each.path for each in by_what["recordings"].differences if each.kind == "removed"}
    assert missing == {"header:version"}


@pytest.mark.slow
def test_a_recorded_connection(tmp_path: Path) -> None:
    """A WebSocket of the official client through floway: upgrade, prewarm, turn."""
    trace = socket("prewarm-ws-full-chatgpt", "turn-ws-full-chatgpt")
    official = Recorded(
        tmp_path, trace.model_copy(update={"client": "codex", "release": "0.169.0"})
    )
    with replayed.replaying("codex@0.169.0", []) as replay:
        requests = replay.requests(official)
    assert [each.kind for each in requests] == ["upgrade", "prewarm", "turn"]
    assert not (differences := shown(requests)), differences
