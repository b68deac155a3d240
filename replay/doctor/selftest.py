"""One request through a floway of its own, to its sandbox, past its gate. Blocking."""

from __future__ import annotations

import tempfile
from pathlib import Path

import httpx

from fingerprints.errors import ProfileError
from replay.child import ProcessFailed
from replay.cli.clients import MODEL
from replay.doctor.finding import Finding, fault, ok
from replay.floway_process import FlowayProcess

CHECK = "self-test"
SECONDS = 20.0


def selftest(profile: str) -> Finding:
    """
    Args:
        profile: as in the setting.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="floway-doctor-") as folder:
            return _asked(profile, Path(folder))
    except (ProcessFailed, ProfileError, OSError) as error:
        return fault(
            CHECK,
            f"floway does not start: {error}",
            "see what it says: floway run --sandbox; for a new environment, remove .venv",
        )


def _asked(profile: str, folder: Path) -> Finding:
    with FlowayProcess(folder, {"floway_sandbox": "true", "floway_profile": profile}) as floway:
        try:
            answer = httpx.post(
                f"{floway.url}/v1/responses",
                json={"model": MODEL, "input": "Say hello."},
                timeout=SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            told = f"no answer through floway ({type(error).__name__})"
            return fault(CHECK, told, "is something on this machine in between? try --offline")
    if answer.status_code != 200:
        return fault(
            CHECK,
            f"HTTP {answer.status_code}: {answer.text[:200]}",
            "if a profile of your own is set, check it: floway check --profile FILE TRACES",
        )
    return ok(CHECK, "a request went through floway, past the sandbox's gate, and was answered")
