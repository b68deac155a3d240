"""What the user's settings say of how conversations are told and kept."""

from __future__ import annotations

from addons.providers.cursor.sign_in.credentials import PROVIDER
from addons.providers.cursor.telling.checkpoints import CheckpointLimits
from addons.providers.cursor.telling.state import Form, SystemPlace, Telling
from addons.settings import Settings


def telling(settings: Settings) -> Telling:
    """How a history is told."""
    return Telling(
        form=Form(settings.history_forms.get(PROVIDER, Form.MESSAGES)),
        system=SystemPlace(settings.system_prompt_places.get(PROVIDER, SystemPlace.BOTH)),
    )


def checkpoint_limits(settings: Settings) -> CheckpointLimits:
    """How long states are kept."""
    return CheckpointLimits(seconds=settings.checkpoint_minutes * 60)
