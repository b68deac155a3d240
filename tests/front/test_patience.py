from __future__ import annotations

import pytest

from addons.front.patience import LONGEST, is_told

OPENCODE = "opencode/1.18.33 (linux 6.1.0; x64) ai-sdk/provider-utils/4.0.40 runtime/bun/1.3.14"
SDK = "OpenAI/Python 3.54.0"


@pytest.mark.parametrize(
    ("wait", "user_agent", "upgrade", "told"),
    [
        (3600.0, SDK, False, True),
        (3600.0, "", False, True),
        (3600.0, OPENCODE, False, False),
        (3600.0, "myopencode/1", False, True),
        (3600.0, SDK, True, False),
        (LONGEST, OPENCODE, False, True),
        (LONGEST, SDK, True, True),
    ],
)
def test_who_is_told(wait: float, user_agent: str, upgrade: bool, told: bool) -> None:
    assert is_told(wait, user_agent, upgrade=upgrade) is told
