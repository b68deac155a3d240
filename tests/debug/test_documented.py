"""What a person can use in mitmweb and the console stands in the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mitmproxy.test import taddons
from mitmproxy.utils import emoji

from addons.debug.commands import Commands
from addons.debug.description import MARKERS
from addons.debug.replaying import Replays
from addons.debug.views.contentviews import Views, shipped
from addons.providers.codex.lens import RequestLens
from addons.providers.cursor.lens import ConnectLens

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
DEBUGGING = TEXT.partition("\n## Debugging\n")[2].partition("\n## ")[0]


def test_each_command() -> None:
    commands = Commands(shipped, lambda: None, tuple, lambda: 0.0, Replays(lambda: ""))
    with taddons.context(commands) as context:
        known = {name for name in context.master.commands.commands if name.startswith("floway.")}
    said = set(re.findall(r"`(floway\.[a-z.]+)[ `]", DEBUGGING))
    assert known == said


def test_each_view() -> None:
    for view in Views([RequestLens(), ConnectLens()]).views:
        assert f"| {view.name} |" in DEBUGGING


def test_each_marker() -> None:
    said = dict(re.findall(r"^\| (\S+) `(:\w+:)` \|", DEBUGGING, re.M))
    assert set(said.values()) == {*MARKERS}
    for shown, marker in said.items():
        assert shown.strip("\ufe0f") == emoji.emoji[marker].strip("\ufe0f")


@pytest.mark.parametrize("name", ["explain", "parity", "request", "events"])
def test_pictures_are_there_and_small(name: str) -> None:
    path = f"tests/web/pictures/{name}.png"
    assert f"]({path})" in DEBUGGING
    assert (ROOT / path).stat().st_size < 300_000
