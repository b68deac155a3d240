"""The list that pip gets must be what uv would install."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.markers import Marker

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(load_script) -> ModuleType:
    return load_script("locked_requirements")


def package(name: str, version: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "source": {"registry": "x"},
        "wheels": [{"hash": f"sha256:{name}{version}"}],
        **more,
    }


def lock(*packages: dict[str, Any], needs: list[Any], dev: list[Any] | None = None) -> Any:
    project = {
        "name": "project",
        "version": "0",
        "source": {"editable": "."},
        "dependencies": needs,
        "dev-dependencies": {"dev": dev or []},
    }
    return {"package": [project, *packages]}


def names(lines: list[str]) -> list[str]:
    return [line.split(" ")[0] for line in lines]


def on(version: str):
    environment = {"python_full_version": version, "extra": ""}
    return lambda marker: not marker or Marker(marker).evaluate(environment)


def test_dependencies_of_dependencies_come_along_once(script: ModuleType) -> None:
    content = lock(
        package("a", dependencies=[{"name": "b"}, {"name": "c"}]),
        package("b", dependencies=[{"name": "a"}, {"name": "c"}]),  # a circle
        package("c"),
        package("unused"),
        needs=[{"name": "a"}],
    )
    assert names(script.requirements(content, [], on("3.13.0"))) == ["a==1", "b==1", "c==1"]


def test_groups_are_only_installed_when_asked_for(script: ModuleType) -> None:
    content = lock(package("a"), package("t"), needs=[{"name": "a"}], dev=[{"name": "t"}])
    assert names(script.requirements(content, [], on("3.13.0"))) == ["a==1"]
    assert names(script.requirements(content, ["dev"], on("3.13.0"))) == ["a==1", "t==1"]
    with pytest.raises(script.LockError, match="no dependency group 'docs'"):
        script.requirements(content, ["docs"], on("3.13.0"))


@pytest.mark.parametrize(("version", "expected"), [("3.13.0", "b==1"), ("3.15.1", "b==2")])
def test_markers_choose_between_versions(script: ModuleType, version: str, expected: str) -> None:
    content = lock(
        package("b", "1"),
        package("b", "2"),
        needs=[
            {"name": "b", "version": "1", "marker": "python_full_version < '3.15'"},
            {"name": "b", "version": "2", "marker": "python_full_version >= '3.15'"},
        ],
    )
    assert names(script.requirements(content, [], on(version))) == [expected]


def test_extras_bring_what_they_need(script: ModuleType) -> None:
    content = lock(
        package("a", **{"optional-dependencies": {"x": [{"name": "b"}], "y": [{"name": "c"}]}}),
        package("b"),
        package("c"),
        package("d", dependencies=[{"name": "a", "extra": ["x"]}]),
        needs=[{"name": "a"}, {"name": "d"}],
    )
    assert names(script.requirements(content, [], on("3.13.0"))) == ["a==1", "b==1", "d==1"]


def test_every_file_s_hash_is_listed(script: ModuleType) -> None:
    wheels = [{"hash": "sha256:2"}, {"hash": "sha256:1"}]
    content = lock(package("a", wheels=wheels, sdist={"hash": "sha256:3"}), needs=[{"name": "a"}])
    assert script.requirements(content, [], on("3.13.0")) == [
        "a==1 --hash=sha256:1 --hash=sha256:2 --hash=sha256:3"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lock(needs=[{"name": "a"}]), "0 packages for a"),
        (lock(package("a", "1"), package("a", "2"), needs=[{"name": "a"}]), "2 packages for a"),
        (lock(package("a", wheels=[]), needs=[{"name": "a"}]), "no hash for a"),
        ({"package": [package("a")]}, "0 projects"),
        (
            lock(
                package("a", "1"),
                package("a", "2"),
                needs=[{"name": "a", "version": "1"}, {"name": "a", "version": "2"}],
            ),
            "two versions of a",
        ),
    ],
)
def test_a_lock_that_does_not_hold_together_is_refused(
    script: ModuleType, content: Any, message: str
) -> None:
    with pytest.raises(script.LockError, match=message):
        script.requirements(content, [], on("3.13.0"))


def test_the_project_s_own_lock_gives_what_is_installed_here(script: ModuleType) -> None:
    content = tomllib.loads((ROOT / "uv.lock").read_text())
    lines = script.requirements(content, ["dev"], lambda m: not m or Marker(m).evaluate())
    assert len(lines) > 60
    for line in lines:
        name, version = re.match(r"(\S+)==(\S+) --hash=sha256:\w{64}", line).groups()
        if name == "floway":
            pytest.fail("the project itself has no place in the list")
        assert metadata.version(name) == version, name
