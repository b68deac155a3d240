"""The settings of failover as they are written, and what a mistake in them is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from addons.accounts.rules import CooldownRule
from addons.settings_layers import SettingsError, load


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in list(os.environ):
        if variable.upper().startswith("FLOWAY_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / "floway.toml").write_text(text)


def test_a_file_with_all_of_them(home: Path) -> None:
    write(
        home,
        'strategy = {codex = "weighted"}\nwait_seconds = "1m30s"\n'
        '[[cooldown_rules]]\nstatus = 429\ncooldown = "10m"\nscope = "model"\n'
        '[[accounts]]\nprovider = "codex"\nlabel = "a"\napi_key = "sk-1"\nweight = 2\n'
        "priority = -1\n",
    )
    settings = load().settings
    assert settings.strategy_of("codex") == "weighted"
    assert settings.strategy_of("other") == "round_robin"
    assert settings.wait_seconds == 90
    assert settings.cooldown_rules == [CooldownRule(status=429, cooldown=600, scope="model")]
    assert [(each.weight, each.priority) for each in settings.accounts] == [(2, -1)]


@pytest.mark.parametrize(
    ("word", "codex", "other"),
    [
        ("fill_first", "fill_first", "fill_first"),
        ("codex=weighted", "weighted", "round_robin"),
        ('{"codex": "weighted", "*": "least_used"}', "weighted", "least_used"),
    ],
)
def test_one_word_for_all_or_one_each(
    monkeypatch: pytest.MonkeyPatch, word: str, codex: str, other: str
) -> None:
    monkeypatch.setenv("FLOWAY_STRATEGY", word)
    settings = load().settings
    assert (settings.strategy_of("codex"), settings.strategy_of("other")) == (codex, other)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('strategy = "best"', "line 1: strategy.* = 'best' is not allowed"),
        ('strategy = {codex = "best"}', "line 1: strategy.codex = 'best'"),
        ('wait_seconds = "forever"', "line 1: wait_seconds = 'forever' is not allowed"),
        ("wait_seconds = 601", "wait_seconds"),
        ('\n[[cooldown_rules]]\ncooldown = "soon"\nstatus = 429', "line 3: cooldown_rules[0]"),
        ("[[cooldown_rules]]\nstatus = 401\nignore = true", "line 2: cooldown_rules[0].status"),
        ('[[cooldown_rules]]\ntext = "x"', "either cooldown"),
        ('[[accounts]]\nprovider = "p"\nlabel = "l"\napi_key = "k"\nweight = 0', "weight"),
    ],
)
def test_mistakes_are_told_with_their_place(home: Path, text: str, told: str) -> None:
    write(home, text)
    with pytest.raises(SettingsError) as caught:
        load()
    (problem,) = caught.value.problems
    assert told in problem
