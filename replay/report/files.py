"""Reports as files: the name says which kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from replay.report import junit, page
from replay.report.model import Report


def as_json(report: Report) -> str:
    """The JSON report; its format is ``report.schema.json``."""
    return report.model_dump_json(indent=1) + "\n"


WRITERS: dict[str, Callable[[Report], str]] = {
    ".json": as_json,
    ".xml": junit.render,
    ".html": page.render,
}


class UnknownKind(ValueError):
    """The file's name does not say which kind of report it is."""

    def __init__(self, file: Path) -> None:
        kinds = ", ".join(WRITERS)
        super().__init__(f"{file}: a report's name must end with one of {kinds}")


def check_names(files: Sequence[Path]) -> None:
    """Before the work is done.

    Raises:
        UnknownKind: see there.
    """
    for file in files:
        if file.suffix.lower() not in WRITERS:
            raise UnknownKind(file)


def write(report: Report, files: Sequence[Path]) -> None:
    """Write a report to each file; folders are made.

    Raises:
        UnknownKind: see there.
        OSError: a file cannot be written.
    """
    check_names(files)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(WRITERS[file.suffix.lower()](report), encoding="utf-8")


def schema() -> str:
    """The JSON Schema of a report, as text."""
    return json.dumps(Report.model_json_schema(), indent=1) + "\n"


def main() -> None:
    """Writes ``report.schema.json`` anew."""
    Path(__file__).with_name("report.schema.json").write_text(schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
