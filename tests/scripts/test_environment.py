"""The two scripts that make the environment, with made-up interpreters and installers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]

NOTES_ITS_CALL = """
import pathlib, sys
note = pathlib.Path(__file__).parent.parent / "called"
note.write_text("\\n".join([sys.executable, *sys.argv[1:]]))
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder, with a space in its path, in which environment.py only notes its call."""
    clone = tmp_path / "a clone"
    (clone / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment", clone / "scripts")
    (clone / "scripts" / "environment.py").write_text(NOTES_ITS_CALL)
    for name in ("uv.lock", "pyproject.toml", ".python-version"):
        (clone / name).write_text(name)
    return clone


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH on which there is no Python."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "cat", "cksum"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return tools


def fake(folder: Path, name: str, code: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{code}\n")
    (folder / name).chmod(0o755)


def working(folder: Path, name: str) -> None:
    fake(folder, name, f'exec "{sys.executable}" "$@"')


def environment(clone: Path, tools: Path, level: str = "run", **variables: str):
    return subprocess.run(
        [clone / "scripts" / "environment", level],
        cwd="/",
        env={"PATH": str(tools), "HOME": str(tools.parent / "home"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def called(clone: Path) -> list[str]:
    note = clone / "called"
    return note.read_text().splitlines() if note.exists() else []


OLD = 'case "$2" in *"sys.version_info[:2]"*) echo 3.9;; *) exit 1;; esac'
BROKEN_SHIM = "echo 'pyenv: version 3.13 is not installed' >&2; exit 127"


def test_the_default_python_is_taken_when_it_is_new_enough(clone: Path, tools: Path) -> None:
    working(tools, "python3")
    done = environment(clone, tools, "dev")
    assert (done.returncode, done.stderr) == (0, "")
    assert called(clone)[:2] == [sys.executable, "dev"]


@pytest.mark.parametrize("bad", [OLD, BROKEN_SHIM], ids=["old", "broken shim"])
@pytest.mark.parametrize("name", ["python3.13", "python3.14", "python3.12"])
def test_other_names_are_tried_where_the_default_does_not_do(
    clone: Path, tools: Path, bad: str, name: str
) -> None:
    fake(tools, "python3", bad)
    if name != "python3.13":
        fake(tools, "python3.13", BROKEN_SHIM)
    working(tools, name)
    assert environment(clone, tools).returncode == 0
    assert called(clone)


@pytest.mark.parametrize("root", [None, "elsewhere"])
def test_pyenv_s_versions_are_tried_at_last(clone: Path, tools: Path, root: str | None) -> None:
    home = tools.parent / "home"
    pyenv = tools.parent / root if root else home / ".pyenv"
    fake(tools, "python3", BROKEN_SHIM)
    working(pyenv / "versions" / "3.13.0" / "bin", "python3")
    variables = {"PYENV_ROOT": str(pyenv)} if root else {}
    assert environment(clone, tools, **variables).returncode == 0
    assert called(clone)


def test_one_that_can_make_environments_is_preferred(clone: Path, tools: Path) -> None:
    """Debian's can't without a further package, and may be first on the PATH."""
    without = f'case "$2" in *ensurepip*) exit 1;; *) exec "{sys.executable}" "$@";; esac'
    fake(tools, "python3", without)
    fake(tools, "python3.13", f': >"{clone}/better"; exec "{sys.executable}" "$@"')
    assert environment(clone, tools).returncode == 0
    assert (clone / "better").exists()
    (tools / "python3.13").unlink()
    (clone / "called").unlink()
    assert environment(clone, tools).returncode == 0
    assert called(clone), "uv may do with it"


@pytest.mark.parametrize(("code", "found"), [(OLD, "3.9"), (BROKEN_SHIM, "missing")])
def test_without_a_python_one_line_says_what_to_install(
    clone: Path, tools: Path, code: str, found: str
) -> None:
    fake(tools, "python3", code)
    done = environment(clone, tools)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"floway: needs Python 3.12 or newer (python3 is {found}); install")
    assert not called(clone)


# --- the stamp -----------------------------------------------------------------------------------


@pytest.fixture
def made(clone: Path, tools: Path) -> Path:
    """The clone with an environment of level ``run`` that is up to date."""
    working(tools, "python3")
    environment(clone, tools)
    key = called(clone)[2]
    (clone / "called").unlink()
    working(clone / ".venv" / "bin", "python")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (clone / ".venv" / "floway-stamp").write_text(f"{key}\nrun\n{version}\n{clone}\n")
    return clone


def test_an_up_to_date_environment_is_left_alone(made: Path, tools: Path) -> None:
    (tools / "python3").unlink()  # not even a Python is looked for
    done = environment(made, tools)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not called(made)


def test_one_with_the_tools_will_do_for_a_run(made: Path, tools: Path) -> None:
    stamp = made / ".venv" / "floway-stamp"
    environment(made, tools, "dev")
    assert called(made)[1] == "dev"
    (made / "called").unlink()
    stamp.write_text(stamp.read_text().replace("\nrun\n", "\ndev\n"))
    for level in ("run", "dev"):
        environment(made, tools, level)
    assert not called(made)


@pytest.mark.parametrize(
    "change",
    [
        lambda clone: (clone / "uv.lock").write_text("other"),
        lambda clone: (clone / "pyproject.toml").write_text("other"),
        lambda clone: (clone / ".python-version").write_text("other"),
        lambda clone: (clone / ".venv" / "floway-stamp").unlink(),
        lambda clone: (clone / ".venv" / "floway-stamp").write_text("unfinished\n"),
        lambda clone: (clone / ".venv" / "floway-stamp").write_text(""),
        lambda clone: (clone / ".venv" / "bin" / "python").unlink(),
        lambda clone: fake(clone / ".venv" / "bin", "python", "exit 127"),
        lambda clone: fake(clone / ".venv" / "bin", "python", "echo 3.99"),
        lambda clone: shutil.rmtree(clone / ".venv"),
    ],
    ids=[
        *("lock", "project", "version", "no stamp", "unfinished", "empty stamp"),
        *("no python", "broken python", "other python", "nothing"),
    ],
)
def test_anything_else_is_made_anew(made: Path, tools: Path, change) -> None:
    change(made)
    assert environment(made, tools).returncode == 0
    assert called(made)


def test_a_folder_that_was_moved_is_made_anew(made: Path, tools: Path) -> None:
    moved = made.rename(made.with_name("moved"))
    environment(moved, tools)
    assert called(moved)


# --- environment.py ------------------------------------------------------------------------------


@pytest.fixture
def maker(load_script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """environment.py, with its folder elsewhere."""
    module = load_script("environment")
    lock = tmp_path / "environment.py"
    lock.touch()
    module.__file__ = str(lock)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "floway-stamp")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "_uv", lambda: None)
    return module


class Installer:
    """In place of uv and pip: makes an interpreter that works, unless told to fail."""

    def __init__(self, maker: ModuleType, *, failures: int = 0) -> None:
        self.maker, self.failures, self.levels = maker, failures, []
        self.found: list[bool] = []

    def __call__(self, uv: str | None, level: str) -> bool:
        self.levels.append(level)
        self.found.append(self.maker.VENV.exists())
        if not self.maker.VENV.exists():
            working(self.maker.PYTHON.parent, "python")
            self.maker._write_stamp(f"{self.maker.UNFINISHED}\n")
        return len(self.levels) > self.failures


def test_the_stamp_is_written_last(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "_install", Installer(maker))
    assert maker.main("run", "key") == 0
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert maker._stamp() == ["key", "run", version, str(maker.ROOT)]


def test_a_failure_leaves_no_stamp_and_says_so(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(maker, "_install", Installer(maker, failures=9))
    assert maker.main("run", "key") == 1
    assert maker._stamp() == [maker.UNFINISHED]
    assert "could not install the packages of uv.lock" in capfd.readouterr().err


def test_after_a_broken_attempt_nothing_of_it_is_used(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "_install", Installer(maker, failures=1))
    assert maker.main("run", "key") == 1
    (maker.VENV / "half").touch()
    monkeypatch.setattr(maker, "_install", installer := Installer(maker))
    assert maker.main("run", "key") == 0
    assert installer.found == [False]
    assert not (maker.VENV / "half").exists()


@pytest.mark.parametrize("kind", ["file", "empty folder", "dangling link"])
def test_whatever_is_in_the_way_is_removed(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "file":
        maker.VENV.touch()
    elif kind == "empty folder":
        maker.VENV.mkdir()
    else:
        maker.VENV.symlink_to("nowhere")
    monkeypatch.setattr(maker, "_install", Installer(maker))
    assert maker.main("run", "key") == 0


def test_one_made_by_hand_is_completed_in_place(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    working(maker.PYTHON.parent, "python")
    (maker.VENV / "mine").touch()
    monkeypatch.setattr(maker, "_install", installer := Installer(maker))
    assert maker.main("run", "key") == 0
    assert installer.found == [True]
    assert (maker.VENV / "mine").exists()


def test_one_that_cannot_be_completed_is_made_from_nothing(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    working(maker.PYTHON.parent, "python")
    monkeypatch.setattr(maker, "_install", installer := Installer(maker, failures=1))
    assert maker.main("run", "key") == 0
    assert installer.found == [True, False]
    assert not maker.VENV.with_name(".venv.previous").exists()


def test_without_network_the_environment_that_was_there_stays(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "_install", Installer(maker))
    maker.main("run", "old")
    (maker.VENV / "mine").touch()
    monkeypatch.setattr(maker, "_install", Installer(maker, failures=9))
    assert maker.main("run", "new") == 1
    assert maker._stamp()[0] == "old"
    assert (maker.VENV / "mine").exists()


def test_tools_that_are_there_are_kept_up_to_date(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "_install", installer := Installer(maker))
    maker.main("dev", "old")
    maker.main("run", "new")
    assert installer.levels == ["dev", "dev"]


def test_who_waited_for_another_does_nothing(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "_install", installer := Installer(maker))
    maker.main("dev", "key")
    assert maker.main("run", "key") == 0
    assert maker.main("dev", "key") == 0
    assert installer.levels == ["dev"]


def test_a_uv_that_does_not_run_is_none(
    load_script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_script("environment")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    fake(tmp_path, "uv", BROKEN_SHIM)
    assert module._uv() is None
    fake(tmp_path / ".local" / "bin", "uv", "echo uv 9")
    assert module._uv() == str(tmp_path / ".local" / "bin" / "uv")
    fake(tmp_path, "uv", "echo uv 9")
    assert module._uv() == str(tmp_path / "uv")


# --- the whole of it -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fresh_clone_runs_with_pip_alone(tmp_path: Path) -> None:
    """Needs the package index, and takes half a minute."""
    clone = tmp_path / "fresh clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    path = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    kept = {n: v for n, v in os.environ.items() if n.startswith(("PIP_", "SSL_", "HTTP"))}
    subprocess.run(
        [clone / "scripts" / "environment", "run"],
        cwd="/",
        env={**kept, "PATH": path, "HOME": str(tmp_path)},
        check=True,
    )
    python = clone / ".venv" / "bin" / "python"
    done = subprocess.run(
        [python, "-P", "-m", "replay.cli", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("floway ")
