"""Records are masked where they are made, whoever shows them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from addons.operate.logs.records import SHOWS_PATHS, TRACEBACK, Guard, Safe

SECRET = "the-secret"


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard(lambda text, paths: text.replace(SECRET, f"*** {paths}"))
    guard.install()
    yield guard
    guard.uninstall()


class Seen(logging.Handler):
    """Keeps what it is given, and formats it as the library does."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.texts.append(self.format(record))


@pytest.fixture
def seen() -> Iterator[Seen]:
    handler = Seen()
    logging.getLogger("t").addHandler(handler)
    yield handler
    logging.getLogger("t").removeHandler(handler)


def fail() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        raise RuntimeError("outer") from error


@pytest.mark.usefixtures("guard")
def test_a_handler_sees_no_secret(seen: Seen) -> None:
    log = logging.getLogger("t.x")
    log.warning("a %s", SECRET, exc_info=False)
    log.warning("no arguments: %d", SECRET)  # the caller's mistake
    log.warning(Safe(SECRET))  # masked already
    try:
        fail()
    except RuntimeError:
        log.exception("it failed")
    plain, wrong, safe, failed = seen.texts
    assert plain == "a *** True"
    assert "%d" in wrong
    assert safe == SECRET
    assert "ValueError: *** True" in failed
    assert failed.startswith("it failed\nTraceback")
    record = seen.records[-1]
    assert record.exc_info is None
    assert record.__dict__[TRACEBACK] in failed
    assert SECRET not in repr(record.__dict__)


@pytest.mark.usefixtures("guard")
def test_what_a_person_has_set_is_told_with_its_paths(caplog: pytest.LogCaptureFixture) -> None:
    for name in sorted(SHOWS_PATHS):
        logging.getLogger(name).warning(SECRET)
    assert caplog.messages == ["*** False"] * len(SHOWS_PATHS)


@pytest.mark.usefixtures("guard")
def test_the_address_of_mitmweb_is_said_past_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log = logging.getLogger("mitmproxy.tools.web.master")
    log.info("listening at /?token=%s", SECRET)
    log.info("nothing to hide")
    assert SECRET not in caplog.text
    assert capsys.readouterr().out == f"listening at /?token={SECRET}\n"


@pytest.mark.usefixtures("guard")
def test_crashes_hold_no_secret(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    try:
        fail()
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    told = capsys.readouterr().err
    assert "RuntimeError: outer" in told
    assert SECRET not in told
    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    assert caplog.messages[0].startswith("thread worker failed\nTraceback")
    assert SECRET not in caplog.text


def test_everything_is_put_back() -> None:
    before = logging.getLogRecordFactory(), sys.excepthook, threading.excepthook
    guard = Guard(lambda text, _: text)
    guard.install()
    guard.install()
    assert logging.getLogRecordFactory() != before[0]
    guard.uninstall()
    guard.uninstall()
    assert (logging.getLogRecordFactory(), sys.excepthook, threading.excepthook) == before
