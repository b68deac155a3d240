"""What a floway does not load that does not need it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from addons.lean import absent

UNUSED = (
    "addons.providers.cursor.work",  # of a floway without its accounts
    "fastapi",  # the control API's, loaded when it is first asked for
    "google.protobuf",
    "httpx._main",
    "mitmproxy.addons.view",
    "replay.sandbox",  # of a floway without accounts
    "rich",
    "typer",
)


@pytest.mark.slow
def test_the_proxy_does_not_load_what_it_may_never_use() -> None:
    code = f"""
import sys
import mitmproxy.tools.main, mitmproxy.tools.dump
own = set(sys.modules)
import addons.floway
print(*(set({UNUSED!r}) & (set(sys.modules) - own)))
"""
    asked = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert asked.stdout.split() == []


def test_what_is_absent_cannot_be_imported() -> None:
    with absent("wave"), pytest.raises(ImportError):
        import wave
    import wave  # noqa: F401


def test_what_was_imported_before_is_there_again() -> None:
    import json

    with absent("json"), pytest.raises(ImportError):
        import json as again  # noqa: F401
    assert sys.modules["json"] is json


def test_absent_ends_with_an_error() -> None:
    with pytest.raises(RuntimeError), absent("wave"):
        raise RuntimeError
    assert "wave" not in sys.modules or sys.modules["wave"] is not None
