"""The command line: ``floway run`` and its companions."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``floway`` command; imports nothing before it is called."""
    from replay.cli.app import app
    from replay.cli.failure import CommandFailed

    try:
        app()
    except CommandFailed as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"floway: {line}\n")
        sys.exit(error.code)
