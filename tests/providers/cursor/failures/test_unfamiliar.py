from __future__ import annotations

import logging

import pytest

from addons.providers.cursor.failures.diagnosis import diagnose
from addons.providers.cursor.failures.error_details import TYPE, ErrorDetail
from addons.providers.cursor.failures.errors import ConnectError, StreamReset
from addons.providers.cursor.failures.unfamiliar import Unfamiliar, described


def strange(text: str = "odd", name: str = "#77") -> ConnectError:
    detail = ErrorDetail(TYPE, name, title="Title", detail=text, expected=True, retryable=False)
    return ConnectError("aborted", "of jo@example.com", [detail], http_status=500)


def test_the_line_has_all_that_was_said_and_nothing_private() -> None:
    line = Unfamiliar().line(strange(), diagnose(strange()))
    assert line is not None
    for part in ("aborted", "HTTP 500", "#77", "Title", "odd", "expected=True", "retryable=False"):
        assert part in line
    assert "jo@example.com" not in line


def test_each_is_logged_once_whatever_numbers_are_in_it(caplog: pytest.LogCaptureFixture) -> None:
    unfamiliar = Unfamiliar()
    with caplog.at_level(logging.WARNING):
        for text in ("request 1", "request 22", "request 1"):
            unfamiliar.log(strange(text), diagnose(strange(text)))
        unfamiliar.log(strange("another"), diagnose(strange("another")))
    assert len(caplog.records) == 2


def test_what_is_familiar_is_not_logged() -> None:
    known = ConnectError("resource_exhausted", "", [ErrorDetail(TYPE, "RATE_LIMITED")])
    assert Unfamiliar().line(known, diagnose(known)) is None
    assert Unfamiliar().line(StreamReset(2), diagnose(StreamReset(2))) is None


def test_memory_is_bounded() -> None:
    unfamiliar = Unfamiliar(limit=2)
    errors = [strange(text) for text in ("a", "b", "c")]
    assert all(unfamiliar.line(error, diagnose(error)) for error in errors)
    assert unfamiliar.line(errors[2], diagnose(errors[2])) is None
    assert unfamiliar.line(errors[0], diagnose(errors[0])) is not None


def test_an_os_error_is_described_by_its_type_alone() -> None:
    assert described(ConnectionResetError(104, "at 10.0.0.1")) == "ConnectionResetError"
