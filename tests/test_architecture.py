"""Who may know whom, and the other rules of the house that can be read from the sources.

The rules are those of the architecture: rooms import in one direction, the neutral rooms know no
provider, and only the stream knows mitmproxy's layers.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("addons", "fingerprints", "replay")

COMPOSITION_ROOT = "addons.floway"
"""Puts all rooms together, and so may import from all of them; nothing in addons imports it."""

IMPORTS_THE_COMPOSITION_ROOT = {
    "replay.cli.tables": "`floway routes` shows the routes of the providers as they are composed",
    "replay.bench.uncooled": "is itself a script for mitmdump, floway's with one change",
}

USES_MITMPROXY = {
    "replay.cli.proxy": "`floway run` starts mitmproxy in its own process",
    "replay.bench.bare": "is itself a script for mitmdump: the bare proxy of the comparison",
    "replay.bench.targets": "makes the certificate of the benchmark's upstream",
    "replay.bench.profiler": "runs mitmdump under the profiler",
    "replay.record.routing": "is itself a script for mitmdump: everything goes to the sandbox",
}
"""Modules of replay; in addons the neutral rooms may not."""

KNOWS_THE_LAYERS = {
    "addons.stream": "the one place that changes how mitmproxy's HTTP layer works",
    "addons.deadlines": "the stream's timers",
    "addons.sending": "the stream's half that sends another attempt",
    "addons.tunnel": "the stream's half that speaks WebSocket",
    "addons.intake": "the stream's half that reads the request of a client",
    "addons.quick.pump": "feeds the outermost layer of a connection",
    "addons.quick.switch": "sends commands on between a connection's streams and its ends",
    "addons.debug.witness": "shows an attempt with the hooks that mitmproxy itself would use",
}

NEUTRAL_ROOMS = ("front", "accounts", "sessions", "store", "operate")

PROVIDER_WORDS = re.compile(r"codex|chatgpt|cursor", re.IGNORECASE)

LONG_FILES = {
    "addons/stream.py": "one state machine, a subclass of mitmproxy's; in parts it cannot be read",
}
"""Files over the limit, with the reason."""

LINES = 400
LINES_OF_TESTS = 650


# --- reading the sources -------------------------------------------------------------------------


@cache
def sources() -> dict[str, Path]:
    """Module name -> file, of the three packages."""
    found = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = file
    return found


def imported(code: str, module: str = "", *, package: bool = False) -> set[str]:
    """All that the code imports, wherever in it; for ``from a import b`` both a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + package]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


@cache
def imports(module: str) -> frozenset[str]:
    file = sources()[module]
    return frozenset(imported(file.read_text(), module, package=file.name == "__init__.py"))


@cache
def reachable(module: str) -> frozenset[str]:
    """Everything that importing the module brings in, of ours and of others."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        parents = [name.rpartition(".")[0]] if "." in name else []
        pending += [*(imports(name) if name in sources() else ()), *parents]
    return frozenset(seen)


def under(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def provider_of(name: str) -> str | None:
    """The provider in ``addons.providers.<provider>…``; None for what belongs to none."""
    parts = name.split(".")
    if parts[:2] != ["addons", "providers"] or len(parts) < 3:
        return None
    return parts[2] if (ROOT / "addons" / "providers" / parts[2]).is_dir() else None


def modules(*packages: str) -> Iterator[str]:
    return (name for name in sources() if under(name, *packages))


def offenders(where: Iterator[str], forbidden: object) -> list[str]:
    return [
        f"{module} imports {name}"
        for module in where
        for name in imports(module)
        if forbidden(module, name)
    ]


# --- the reader itself ---------------------------------------------------------------------------


def test_the_reader_sees_every_kind_of_import() -> None:
    code = """
import a.b as x
from c import d
def f():
    from e.f import g
if TYPE_CHECKING:
    import h
from . import i
from ..j import k
"""
    found = imported(code, "p.q.r")
    assert found >= {"a.b", "c", "c.d", "e.f", "e.f.g", "h", "p.q", "p.q.i", "p.j", "p.j.k"}
    assert imported("from . import i", "p.q", package=True) == {"p.q", "p.q.i"}


def test_the_reader_sees_the_whole_project() -> None:
    assert {"addons.floway", "addons.front.contract", "replay.cli.app"} <= set(sources())
    assert "addons.settings" in imports("addons.configuration")
    assert "mitmproxy.ctx" in reachable("addons.configuration")


# --- who imports whom ----------------------------------------------------------------------------


def test_fingerprints_know_nobody() -> None:
    assert not offenders(
        modules("fingerprints"), lambda _, name: under(name, "addons", "replay", "mitmproxy")
    )


def test_addons_do_not_know_replay() -> None:
    where = (module for module in modules("addons") if module != COMPOSITION_ROOT)
    assert not offenders(where, lambda _, name: under(name, "replay", COMPOSITION_ROOT))


def test_replay_uses_only_what_is_free_of_mitmproxy() -> None:
    """It may start addons as a process, and use their pure parts."""

    def forbidden(module: str, name: str) -> bool:
        if module in IMPORTS_THE_COMPOSITION_ROOT and under(name, "addons"):
            return False
        if under(name, "mitmproxy"):
            return module not in USES_MITMPROXY
        if name not in sources() or not under(name, "addons"):
            return False
        return any(under(reached, "mitmproxy") for reached in reachable(name))

    assert not offenders(modules("replay"), forbidden)


@pytest.mark.parametrize("room", NEUTRAL_ROOMS)
def test_neutral_rooms_know_no_provider_and_no_mitmproxy(room: str) -> None:
    assert not offenders(
        modules(f"addons.{room}"),
        lambda _, name: provider_of(name) is not None or under(name, "mitmproxy"),
    )


def test_only_the_composition_root_knows_providers() -> None:
    where = (m for m in modules("addons") if m != COMPOSITION_ROOT and provider_of(m) is None)
    assert not offenders(where, lambda _, name: provider_of(name) is not None)


def test_a_provider_knows_neither_another_one_nor_mitmproxy() -> None:
    assert not offenders(
        modules("addons.providers"),
        lambda module, name: (
            provider_of(name) not in (None, provider_of(module)) or under(name, "mitmproxy")
        ),
    )


@pytest.mark.parametrize("module", ["addons.exchange", "addons.errors", "addons.settings"])
def test_pure_modules_are_free_of_mitmproxy(module: str) -> None:
    assert not [name for name in reachable(module) if under(name, "mitmproxy")]


def test_only_the_stream_knows_mitmproxy_s_layers() -> None:
    internals = ("mitmproxy.proxy.layer", "mitmproxy.proxy.layers", "mitmproxy.proxy.events")
    where = (module for module in sources() if module not in KNOWS_THE_LAYERS)
    assert not offenders(where, lambda _, name: under(name, *internals))


@pytest.mark.parametrize(
    "allowed",
    [IMPORTS_THE_COMPOSITION_ROOT, USES_MITMPROXY, KNOWS_THE_LAYERS],
    ids=["composition root", "mitmproxy", "layers"],
)
def test_no_exception_outlives_its_module(allowed: dict[str, str]) -> None:
    assert set(allowed) <= set(sources())


# --- words ---------------------------------------------------------------------------------------


def neutral_files() -> list[Path]:
    return [
        file
        for module, file in sources().items()
        if under(module, "addons") and provider_of(module) is None and module != COMPOSITION_ROOT
    ]


def provider_words(code: str) -> list[str]:
    """Names of providers in names, strings and comments alike, with their line."""
    return [
        f"{token.start[0]}: {token.string}"
        for token in tokenize.generate_tokens(io.StringIO(code).readline)
        if PROVIDER_WORDS.search(token.string)
    ]


def test_the_reader_of_words_sees_names_strings_and_comments() -> None:
    code = 'codex_id = 1\nx = "for ChatGPT"\n# as Cursor does\nf"{x} CODEX"\n"""a\ncursor"""\n'
    assert len(provider_words(code)) == 5


@pytest.mark.parametrize("file", neutral_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_neutral_files_name_no_provider(file: Path) -> None:
    assert not provider_words(file.read_text())


# --- files ---------------------------------------------------------------------------------------


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:  # not a clone: what is there counts
        folders = (*PACKAGES, "tests", "scripts")
        return tuple(
            str(file.relative_to(ROOT)) for name in folders for file in (ROOT / name).rglob("*.py")
        )
    return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def test_modules_have_a_name_of_their_own() -> None:
    vague = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert not [name for name in tracked() if vague & set(Path(name).with_suffix("").parts)]


def test_tests_of_real_clients_have_the_mark() -> None:
    """Else they would never run: tests/conftest.py leaves the folder out where the mark is not."""
    files = [ROOT / name for name in tracked() if name.startswith("tests/clients/test_")]
    assert files
    assert [f.name for f in files if "pytestmark = pytest.mark.clients" not in f.read_text()] == []


def test_files_are_short() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in tracked()}
    limit = {name: LINES_OF_TESTS if name.startswith("tests/") else LINES for name in lengths}
    long = {name for name, lines in lengths.items() if lines > limit[name]}
    assert long - set(LONG_FILES) == set()
    assert set(LONG_FILES) - long == set(), "short enough again: take it off the list"


# --- the README ----------------------------------------------------------------------------------


def test_the_readme_has_every_setting_command_and_route() -> None:
    from replay.cli.reference import README, updated

    text = README.read_text()
    assert text == updated(text), "run: python -m replay.cli.reference"
