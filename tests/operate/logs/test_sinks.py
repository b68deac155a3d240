"""JSON lines, and the file that they go to."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from addons.operate.logs import sinks
from addons.operate.logs.records import FIELDS, Guard
from addons.operate.logs.sinks import FILES, JsonLines, LogFile


@pytest.fixture(autouse=True)
def _guarded() -> Iterator[None]:
    guard = Guard(lambda text, _: text)
    guard.install()
    yield
    guard.uninstall()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("sinks")
    log.propagate, before = False, log.propagate
    log.setLevel(logging.DEBUG)
    yield log
    log.propagate = before


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def record(message: str, **more: Any) -> logging.LogRecord:
    return logging.getLogger("some.where").makeRecord(
        "some.where", logging.WARNING, "f", 1, message, (), **{"exc_info": None, **more}
    )


def test_a_line_is_one_object() -> None:
    made = record("é \n two", extra={FIELDS: {"account": "a", "tokens_in": 3}})
    made.created = 0.0625
    line = JsonLines().format(made)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.062+00:00",
        "level": "warning",
        "logger": "some.where",
        "event": "é \n two",
        "account": "a",
        "tokens_in": 3,
    }


def test_bytes_that_were_no_text_do_not_lose_the_line() -> None:
    line = JsonLines().format(record("a \udcff b"))
    assert json.loads(line)["event"] == "a \udcff b"


def test_a_traceback_is_a_member_of_its_own() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        made = record("it failed", exc_info=(ValueError, error, error.__traceback__))
    line = json.loads(JsonLines().format(made))
    assert line["event"] == "it failed"
    assert line["traceback"].endswith("ValueError: no")


def test_the_file_is_its_owners_and_is_rotated(tmp_path: Path, log: logging.Logger) -> None:
    path = tmp_path / "logs" / "floway.log"
    file = LogFile(path, FILES * 2000, lambda text: pytest.fail(text))
    log.addHandler(file.handler)
    for number in range(300):
        log.info("line %d", number)
    log.removeHandler(file.handler)
    file.close()
    found = sorted(path.parent.iterdir())
    assert len(found) == FILES
    assert {each.stat().st_mode & 0o777 for each in found} == {0o600}
    assert sum(each.stat().st_size for each in found) <= FILES * 2000
    assert written(path)[-1]["event"] == "line 299"


def test_what_an_earlier_process_wrote_counts(tmp_path: Path, log: logging.Logger) -> None:
    """And a line that is too long for any file stands in one of its own."""
    path = tmp_path / "floway.log"
    for number in range(2):
        file = LogFile(path, FILES * 2000, lambda text: pytest.fail(text))
        log.addHandler(file.handler)
        log.info("%d %s", number, "x" * (3000 if number else 1800))
        log.removeHandler(file.handler)
        file.close()
    found = {each.name: written(each)[0]["event"][0] for each in tmp_path.iterdir()}
    assert found == {"floway.log": "1", "floway.log.1": "0"}


def test_lines_that_come_together_are_written_together(
    tmp_path: Path, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    write = sinks._PrivateFile.write

    def counted(self: Any, records: Any) -> None:
        batches.append(len(records))
        write(self, records)

    monkeypatch.setattr(sinks._PrivateFile, "write", counted)
    monkeypatch.setattr(sinks, "GATHERED", 60.0)
    path = tmp_path / "floway.log"
    file = LogFile(path, 1_000_000, lambda text: pytest.fail(text))
    log.addHandler(file.handler)
    for number in range(200):
        log.info("%d", number)
    log.removeHandler(file.handler)
    file.close()  # nothing waits for the minute to pass
    assert batches == [200]
    assert [line["event"] for line in written(path)] == [str(n) for n in range(200)]


def test_more_than_the_disk_can_take_is_lost(
    tmp_path: Path, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "WAITING", 0)
    path = tmp_path / "floway.log"
    file = LogFile(path, 10_000, lambda text: pytest.fail(text))
    log.addHandler(file.handler)
    log.info("one")
    monkeypatch.setattr(sinks, "WAITING", 5)
    log.info("two")
    log.removeHandler(file.handler)
    file.close()
    assert [line["event"] for line in written(path)] == ["two"]


def test_a_file_that_can_not_be_written_is_said_once_and_stops_nobody(
    tmp_path: Path, log: logging.Logger
) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    file = LogFile(tmp_path / "file" / "floway.log", 10_000, said.append)
    log.addHandler(file.handler)
    log.info("one")
    log.info("two")
    log.removeHandler(file.handler)
    file.close()
    assert len(said) == 1
    assert "correct log_file" in said[0]
