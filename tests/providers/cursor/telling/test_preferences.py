"""Settings in the words of the modules that they are for."""

from __future__ import annotations

from pathlib import Path

from addons.providers.cursor.telling.checkpoints import CheckpointLimits
from addons.providers.cursor.telling.preferences import checkpoint_limits, telling
from addons.providers.cursor.telling.state import Form, SystemPlace, Telling
from addons.settings import Settings


def test_the_defaults_are_the_modules_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert telling(settings) == Telling()
    assert checkpoint_limits(settings) == CheckpointLimits()


def test_settings_of_this_provider_count(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        history_forms={"cursor": "text", "other": "messages"},
        system_prompt_places={"cursor": "rule"},
        checkpoint_minutes=5,
    )
    assert telling(settings) == Telling(form=Form.TEXT, system=SystemPlace.RULE)
    assert checkpoint_limits(settings).seconds == 300.0
