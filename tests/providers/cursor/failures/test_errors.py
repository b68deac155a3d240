from __future__ import annotations

import socket
import ssl

import pytest

from addons.providers.cursor.failures import errors
from addons.providers.cursor.failures.error_details import TYPE, ErrorDetail


def every(kind: type[errors.CursorError]) -> list[type[errors.CursorError]]:
    return [kind, *(below for each in kind.__subclasses__() for below in every(each))]


@pytest.mark.parametrize("kind", every(errors.CursorError), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_word_for_a_client(kind: type[errors.CursorError]) -> None:
    assert 400 <= kind.status <= 599
    assert kind.word


def test_what_a_client_is_told() -> None:
    told = errors.Silence(30).client_error()
    assert (told.status, told.code) == (504, "upstream_silent")
    assert "30 seconds" in told.message
    told = errors.StreamReset(2).client_error()
    assert (told.status, told.code) == (502, "upstream_unreachable")
    assert "INTERNAL_ERROR" in told.message


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("resource_exhausted", 429),
        ("unauthenticated", 401),
        ("permission_denied", 403),
        ("unavailable", 503),
        ("internal", 500),
        ("canceled", 499),
        ("a_new_one", 502),
    ],
)
def test_codes_have_the_protocol_s_status(code: str, status: int) -> None:
    assert errors.ConnectError(code).status == status


def test_the_text_is_the_details_where_there_are_some() -> None:
    error = errors.ConnectError("internal", "Error", [ErrorDetail(TYPE, "X", "Title", "why")])
    assert error.text == "Title: why"
    assert str(error) == "internal: Title: why"
    assert errors.ConnectError("internal", "Error").text == "Error"
    assert str(errors.ConnectError("internal")) == "internal"


def test_an_error_without_a_code_has_that_of_its_status() -> None:
    assert errors.ConnectError.parse({}, http_status=403).code == "permission_denied"
    assert errors.ConnectError.parse({}, http_status=418).code == "unknown"
    assert errors.ConnectError.parse("x").code == "unknown"


def test_http2_codes_have_names_and_unknown_ones_do_not_break() -> None:
    assert "FLOW_CONTROL_ERROR" in str(errors.StreamReset(3))
    assert "4000, unknown" in str(errors.Goaway(4000))
    assert errors.StreamReset(errors.StreamReset.REFUSED).unprocessed
    assert not errors.StreamReset(2).unprocessed


def test_debugging_text_of_a_goaway_is_free_of_private_parts() -> None:
    assert "jo@example.com" not in str(errors.Goaway(0, "for jo@example.com"))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name could not be resolved"),
        (ConnectionResetError(104, "of 10.0.0.1"), "Connection reset by peer"),
        (OSError("10.0.0.1"), "OSError"),
        (ssl.SSLError(1, "[SSL] 10.0.0.1"), "TLS: failed"),
    ],
)
def test_an_os_error_in_words_that_name_no_address(error: OSError, told: str) -> None:
    assert errors.problem(error) == told
