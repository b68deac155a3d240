"""Makes ``.venv`` with exactly the versions of ``uv.lock``; called by ``scripts/environment``.

Uses uv where it works, else ``python -m venv`` and pip. Only the standard library, and only one
process at a time. The stamp is written last: after an interrupted attempt the next one starts from
nothing.

    python environment.py LEVEL KEY     LEVEL: run or dev; KEY: the checksum to put into the stamp
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "floway-stamp"
PYTHON = VENV / "bin" / "python"
UNFINISHED = "unfinished"


class CannotMake(Exception):
    """The environment cannot be made; the message is one line with the remedy."""


def main(level: str, key: str) -> int:
    # On this file, so that nothing has to be made and nothing can be left behind.
    with Path(__file__).open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = _stamp()
        if stamp[:1] == [key] and stamp[1:2] in ([level], ["dev"]) and _works():
            return 0  # made by another process while this one waited
        if "dev" in stamp[1:2]:
            level = "dev"  # once there, the tools are kept up to date
        try:
            _make(level)
        except CannotMake as error:
            _say(f"{error}")
            return 1
        # Our own sources too: some set PYTHONDONTWRITEBYTECODE, and would pay at every start.
        sources = [str(ROOT / name) for name in ("addons", "fingerprints", "replay")]
        _run([str(PYTHON), "-I", "-m", "compileall", "-q", *sources], quiet=True)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _write_stamp(f"{key}\n{level}\n{version}\n{ROOT}\n")
    _say("environment ready")
    return 0


def _make(level: str) -> None:
    _say(f"making the environment with Python {sys.version.split()[0]}; needs the network once …")
    moved = _stamp()[3:4] not in ([], [str(ROOT)])  # its scripts hold the old path
    if _stamp() == [UNFINISHED] or moved or not _works():
        _remove()
    uv = _uv()
    if VENV.exists() and _install(uv, level):  # made by hand, or for an older uv.lock
        return
    previous = _set_aside()
    try:
        if not _install(uv, level):
            raise CannotMake("could not install the packages of uv.lock; the reason is above")
    except BaseException:
        if previous:  # no worse than before: it may be only the network
            _remove()
            previous.rename(VENV)
        raise
    if previous:
        shutil.rmtree(previous)


def _set_aside() -> Path | None:
    """Move an environment that could not be completed out of the way."""
    if not VENV.exists():
        return None
    _say("the environment that is there cannot be completed; making a new one")
    previous = VENV.with_name(".venv.previous")
    shutil.rmtree(previous, ignore_errors=True)
    return VENV.rename(previous)


def _install(uv: str | None, level: str) -> bool:
    if uv is not None and _by_uv(uv, level):
        return True
    if uv is not None:
        _say("uv could not do it; trying pip")
    return _by_pip(level)


def _by_uv(uv: str, level: str) -> bool:
    environment = {
        **os.environ,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_COMPILE_BYTECODE": "1",  # as pip does; else the first start pays for it
        "UV_PROJECT_ENVIRONMENT": str(VENV),
    }
    environment.pop("VIRTUAL_ENV", None)
    python = ["--python", sys.executable]
    if not VENV.exists():
        if not _run([uv, "venv", "--quiet", *python, str(VENV)], environment):
            return False
        _write_stamp(f"{UNFINISHED}\n")
    groups = ["--group", "dev"] if level == "dev" else ["--no-dev"]
    sync = [uv, "sync", "--quiet", "--frozen", "--inexact", *python, *groups]
    return _run(sync, environment) and _works()


def _by_pip(level: str) -> bool:
    if not VENV.exists():
        if not _run([sys.executable, "-I", "-m", "venv", str(VENV)]):
            raise CannotMake(
                f"{sys.executable} cannot make environments; install its venv package "
                f"(Debian: apt install python3.{sys.version_info.minor}-venv), or uv"
            )
        _write_stamp(f"{UNFINISHED}\n")
    if not _has_pip():
        return False
    groups = ["dev"] if level == "dev" else []
    # PIP_USER, or its like in pip.conf, is refused inside an environment.
    environment = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    pip = [str(PYTHON), "-I", "-m", "pip", "install", "-qq"]
    reader = str(ROOT / "scripts" / "locked_requirements.py")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        # By the new interpreter: markers are about it, and its pip brings the marker grammar.
        listed = subprocess.run(
            [str(PYTHON), "-I", reader, str(ROOT / "uv.lock"), *groups],
            stdout=requirements,
            check=False,
        )
        return (
            listed.returncode == 0
            and _run([*pip, "--require-hashes", "--no-deps", "-r", requirements.name], environment)
            and _run([*pip, "--no-deps", "--editable", str(ROOT)], environment)
            and _works()
        )


def _uv() -> str | None:
    """uv, where it runs; a pyenv shim of it may be there and fail."""
    home = Path.home()
    for found in (shutil.which("uv"), home / ".local/bin/uv", home / ".cargo/bin/uv"):
        if found and Path(found).is_file() and _run([str(found), "--version"], quiet=True):
            return str(found)
    return None


def _has_pip() -> bool:
    """Whether the environment can install; one that uv made gets pip here."""
    pip = [str(PYTHON), "-I", "-m", "pip", "--version"]
    add = [str(PYTHON), "-I", "-m", "ensurepip"]
    return _works() and (_run(pip, quiet=True) or (_run(add, quiet=True) and _run(pip, quiet=True)))


def _works() -> bool:
    """Whether the environment's interpreter runs and is of the version that is asked for."""
    code = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return _run([str(PYTHON), "-I", "-c", code], quiet=True)


def _remove() -> None:
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)


def _stamp() -> list[str]:
    return STAMP.read_text().splitlines() if STAMP.is_file() else []


def _write_stamp(text: str) -> None:
    temporary = STAMP.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(STAMP)


def _run(
    command: list[str], environment: dict[str, str] | None = None, *, quiet: bool = False
) -> bool:
    sink = subprocess.DEVNULL if quiet else sys.stderr
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=sink, stderr=sink, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _say(text: str) -> None:
    sys.stderr.write(f"floway: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
