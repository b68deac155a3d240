"""The OpenAPI document: complete, in the README, and true."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from addons.operate import PREFIX
from addons.operate.api import Gate
from replay.cli.account_desk import AUTHORITIES
from replay.cli.reference import README
from replay.cli.reference import control_document as make_document
from tests.floway_process import running_floway
from tests.operate.places import Place

NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens: sign-ins are begun, and come to nothing."""

ADA = """
[parameters]
"path.name" = "codex:ada"
"""
"""An account that exists, so that more is asked than what is not there."""


@cache
def control_document() -> dict[str, Any]:
    return make_document()


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }


async def test_every_route_is_in_the_document(here: Place) -> None:
    assert isinstance(here.app, Gate)
    served = {
        (method, route.path)
        for route in here.app.app.state.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    document = await here.ask("GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert operations(document) == served
    assert len(served) > 15


def test_every_route_is_in_the_readme() -> None:
    text = README.read_text()
    document = control_document()
    for method, path in operations(document):
        assert f"| `{method} {path.removeprefix(PREFIX)}` |" in text
    for provider in AUTHORITIES:
        assert f"{PREFIX}/{provider}-auth-url" in document["paths"]


def test_every_answer_has_a_form_and_every_path_its_errors() -> None:
    for path, methods in control_document()["paths"].items():
        for operation in methods.values():
            answers = operation["responses"]
            assert operation["description"], path
            assert operation["security"] == [{"token": []}]
            assert {"401", "403", "421", "422", "500", "503"} <= set(answers)
            assert "404" in answers or "{" not in path
            for status, answer in answers.items():
                form = answer.get("content", {}).get("application/json", {}).get("schema")
                assert form or status == "204", path
                if int(status) >= 400:
                    assert form == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_no_answer_has_room_for_a_secret() -> None:
    words = ("secret", "api_key", "sign_in", "refresh_token", "access")
    holding = {
        name
        for name, form in control_document()["components"]["schemas"].items()
        for member in form.get("properties", {})
        if any(word in member for word in words)
    }
    assert holding == {"NewKey", "NewSignIn"}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/accounts/x", "DELETE, GET, PATCH"), ("/cooldowns", "DELETE, GET"), ("/health", "GET")],
)
async def test_a_wrong_method_is_told_the_right_ones(here: Place, path: str, allowed: str) -> None:
    async with here.client() as client:
        answer = await client.put(f"{PREFIX}{path}")
    assert (answer.status_code, answer.headers.get_list("allow")) == (405, [allowed])


@pytest.mark.slow
def test_it_keeps_to_its_document_whatever_is_asked(tmp_path: Path) -> None:
    """Schemathesis: each operation with what the document allows, with what it forbids, without
    the token, and one after the other."""
    hosts = [f"{provider}={NOWHERE}" for provider in AUTHORITIES]
    options = {"floway_issuers": hosts, "floway_credential_store": "file"}
    with running_floway(tmp_path / "floway", **options) as floway:
        token = (floway.home / "state" / "control.token").read_text().strip()
        (tmp_path / "schemathesis.toml").write_text(ADA)
        command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
        command += [f"{floway.url}{PREFIX}/openapi.json", "--checks", "all", "--no-color"]
        command += ["-H", f"Authorization: Bearer {token}", "--seed", "1", "--max-examples", "15"]
        told = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        assert told.returncode == 0, told.stdout + told.stderr
        assert f"Tested: {len(operations(control_document()))}" in told.stdout
        assert floway.log().count(token) <= 1  # at the first start, and never again
