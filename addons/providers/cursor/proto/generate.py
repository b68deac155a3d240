"""Make the Python of the ``.proto`` files: ``python -m addons.providers.cursor.proto.generate``.

It is done with the protoc of the pinned ``grpcio-tools``, which only developers have; its version
is written into what it makes, and a test makes it again and compares.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[3]
"""Imports of a ``.proto`` file are relative to it, and so are those of the generated modules."""
COMPILER = "grpc_tools"


class GenerationError(Exception):
    """There is no protoc, or it does not take the files; with what it says."""


def sources() -> list[Path]:
    return sorted(FOLDER.glob("*.proto"))


def generate(target: Path) -> list[Path]:
    """Make the modules and their stubs.

    Args:
        target: as ``ROOT``: the modules come to lie in the same folder below it.

    Returns:
        The files that were made.

    Raises:
        GenerationError: see there.
    """
    if find_spec(COMPILER) is None:
        raise GenerationError("grpcio-tools is not installed; run scripts/environment dev")
    names = [str(file.relative_to(ROOT)) for file in sources()]
    words = [sys.executable, "-m", f"{COMPILER}.protoc", f"-I{ROOT}"]
    words += [f"--python_out={target}", f"--pyi_out={target}", *names]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise GenerationError(ended.stderr.strip())
    return [
        target / name.replace(".proto", ending)
        for name in names
        for ending in ("_pb2.py", "_pb2.pyi")
    ]


def main() -> None:
    """Make them in their place."""
    try:
        files = generate(ROOT)
    except GenerationError as error:
        raise SystemExit(f"generate: {error}") from error
    sys.stdout.writelines(f"{file.relative_to(ROOT)}\n" for file in files)


if __name__ == "__main__":
    main()
