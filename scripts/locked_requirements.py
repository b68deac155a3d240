"""Prints a requirements list with hashes, for pip, from ``uv.lock``, which pip cannot read.

Walks the dependency graph from the project itself and keeps what applies to the interpreter that
runs this, so that uv and pip install the same versions of the same packages. Needs nothing but the
standard library and pip (whose own copy of ``packaging`` knows the grammar of markers).

    python locked_requirements.py uv.lock [GROUP …]     GROUP: a dependency group, e.g. dev
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

type Package = Mapping[str, Any]
type Marker = Callable[[str], bool]


class LockError(Exception):
    """``uv.lock`` does not say what it must."""


def requirements(lock: Mapping[str, Any], groups: Iterable[str], applies: Marker) -> list[str]:
    """One ``name==version --hash=…`` line for each package, by name; not the project itself.

    Args:
        lock: the content of ``uv.lock``.
        groups: dependency groups to install besides the project's dependencies.
        applies: whether a marker is true for the interpreter that the list is for.

    Raises:
        LockError: names the package that is missing, ambiguous or without hashes.
    """
    packages: dict[str, list[Package]] = {}
    for package in lock.get("package", []):
        packages.setdefault(package["name"], []).append(package)
    project = _project(lock)
    dev = project.get("dev-dependencies", {})
    unknown = [group for group in groups if group not in dev]
    if unknown:
        raise LockError(f"uv.lock has no dependency group {unknown[0]!r}")

    chosen: dict[str, Package] = {}
    seen: set[tuple[str, str]] = set()  # a package and one of its extras, or ""
    pending = [*project.get("dependencies", []), *(d for group in groups for d in dev[group])]
    while pending:
        dependency = pending.pop()
        if not applies(dependency.get("marker", "")):
            continue
        package = _package(dependency, packages)
        name = package["name"]
        if chosen.setdefault(name, package) is not package:
            raise LockError(f"uv.lock gives two versions of {name} for this interpreter")
        for extra in ("", *dependency.get("extra", ())):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            optional = package.get("optional-dependencies", {})
            pending += optional.get(extra, []) if extra else package.get("dependencies", [])
    return [_line(chosen[name]) for name in sorted(chosen)]


def _project(lock: Mapping[str, Any]) -> Package:
    own = [p for p in lock.get("package", []) if {"editable", "virtual"} & set(p["source"])]
    if len(own) != 1:
        raise LockError(f"uv.lock holds {len(own)} projects, not one")
    project: Package = own[0]
    return project


def _package(dependency: Mapping[str, Any], packages: Mapping[str, list[Package]]) -> Package:
    name, version = dependency["name"], dependency.get("version")
    found = [p for p in packages.get(name, []) if version in (None, p["version"])]
    if len(found) != 1:
        raise LockError(f"uv.lock has {len(found)} packages for {name} {version or ''}".rstrip())
    return found[0]


def _line(package: Package) -> str:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = sorted({file["hash"] for file in files if "hash" in file})
    if not hashes:
        raise LockError(f"uv.lock has no hash for {package['name']}")
    return " ".join([f"{package['name']}=={package['version']}", *(f"--hash={h}" for h in hashes)])


def _applies(marker: str) -> bool:
    # Not at the top: an environment made by uv has no pip, and this file's tests need none.
    markers = importlib.import_module("pip._vendor.packaging.markers")
    return not marker or bool(markers.Marker(marker).evaluate({"extra": ""}))


def main(path: str, *groups: str) -> int:
    lock = tomllib.loads(Path(path).read_text())
    try:
        lines = requirements(lock, groups, _applies)
    except LockError as error:
        sys.stderr.write(f"floway: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
