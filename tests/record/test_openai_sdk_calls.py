"""The scripts of the ``openai`` SDK, with this environment's SDK, against the made-up gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from replay.record import openai_sdk_calls, python_client
from replay.record.gateway import Gateway
from replay.record.openai_sdk import SCENARIOS
from replay.record.third_party import KEY, ClientScenario


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        yield gateway


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_each_scenario(
    gateway: Gateway, scenario: ClientScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{gateway.port}/v1"
    words = (scenario.name, url, KEY, scenario.model)
    await asyncio.to_thread(openai_sdk_calls.main, *words)
    assert gateway.answered == [(f"POST {scenario.path}", 200)] * scenario.requests
    said = capsys.readouterr().out
    if scenario.output:
        assert "18" in said, "the degrees that the function gave"
    assert said.strip()


def test_every_script_is_a_scenario() -> None:
    scripts = {call.__name__.replace("_", "-") for call in openai_sdk_calls.CALLS}
    assert scripts == {scenario.name for scenario in SCENARIOS}


async def test_an_unknown_scenario(gateway: Gateway) -> None:
    with pytest.raises(KeyError):
        openai_sdk_calls.main("nope", "http://127.0.0.1:1/v1", KEY, "m")


def test_the_picture_is_one() -> None:
    picture = openai_sdk_calls.dot()
    assert picture.startswith("data:image/png;base64,")
    assert len(picture) < 200, "so that a trace keeps it whole"


class Without:
    """An SDK of a release that has no chat completions."""

    def __init__(self, **_: object) -> None:
        pass

    def __enter__(self) -> Without:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("module", "lacking"), [("openai._client", True), ("elsewhere", False)])
def test_what_a_release_lacks_is_no_failure(
    module: str,
    lacking: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Without, "__module__", module)
    monkeypatch.setattr(openai, "OpenAI", Without)
    expected = SystemExit if lacking else AttributeError
    with pytest.raises(expected) as ended:
        openai_sdk_calls.main("chat-plain", "http://127.0.0.1:1/v1", KEY, "m")
    if lacking:
        assert ended.value.args == (python_client.LACKING,)
        assert capsys.readouterr().out == "'Without' object has no attribute 'chat'\n"
