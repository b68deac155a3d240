"""The scripts of the ``openai`` SDK, with this environment's SDK, against the made-up gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from replay.record import openai_sdk_calls
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
