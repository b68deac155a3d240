"""The declared headers against the recordings of the official client."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import fingerprints
from addons.errors import FlowayError
from addons.providers.cursor.wire.client_identity import NEWEST, SHELF, ClientIdentity, bearer

TRACES = Path(fingerprints.__file__).parent / "traces" / "cursor-sdk" / "1.1.0"
ID = "2716df55-ef1d-44f8-b7bb-af952decd179"
OF_THE_CONNECTION = {"host", "connection", "transfer-encoding", "content-length"}
CONSTANT = {
    "accept-encoding",
    "backend-traceparent",
    "connect-accept-encoding",
    "connect-protocol-version",
    "content-type",
    "traceparent",
    "user-agent",
    "x-cursor-client-type",
    "x-cursor-client-version",
    "x-cursor-streaming",
    "x-ghost-mode",
}

PATHS = {
    "run_sse": "/agent.v1.AgentService/RunSSE",
    "append": "/aiserver.v1.BidiService/BidiAppend",
    "config": "/aiserver.v1.ServerConfigService/GetServerConfig",
    "unary": "/aiserver.v1.DashboardService/GetTeamAdminSettingsOrEmptyIfNotInTeam",
}


def recorded(path: str) -> list[tuple[str, str]]:
    """The headers of the first request to a path, without those of its connection."""
    for file in sorted(TRACES.glob("*.json")):
        trace: dict[str, Any] = json.loads(file.read_text())
        for exchange in trace["exchanges"]:
            if exchange["path"] == path:
                return [
                    (name.lower(), value)
                    for name, value in exchange["headers"]
                    if name.lower() not in OF_THE_CONNECTION
                ]
    raise AssertionError(f"no recording of {path}")


def made(kind: str) -> list[tuple[str, str]]:
    identity = ClientIdentity()
    opening = identity.opening(access_token="t", request_id=ID, blob_key="0" * 64)
    return {
        "run": list(opening.run),
        "run_sse": list(opening.run_sse),
        "append": list(opening.append),
        "unary": identity.unary(access_token="t", request_id=ID),
        "config": identity.config(access_token="t"),
    }[kind]


@pytest.mark.parametrize("kind", sorted(PATHS))
def test_names_order_and_constants_are_as_recorded(kind: str) -> None:
    wanted, got = recorded(PATHS[kind]), made(kind)
    assert [name for name, _ in got] == [name for name, _ in wanted]
    constants = {name: value for name, value in wanted if name in CONSTANT}
    assert {name: value for name, value in got if name in CONSTANT} == constants


def test_a_run_over_http2_differs_from_one_over_http1_in_one_header() -> None:
    assert made("run") == [
        pair for pair in made("run_sse") if pair[0] != "x-cursor-streaming"
    ]  # cursor-protocol.md §0.0


def test_what_a_run_says_of_itself() -> None:
    headers = dict(made("run"))
    assert headers["x-request-id"] == headers["x-original-request-id"] == ID
    assert headers["authorization"] == "Bearer t"
    assert re.fullmatch(r"[0-9a-f]{64}", headers["x-blob-encryption-key"])
    assert not {"te", "host", "x-cursor-checksum", "x-cursor-agent-allowed-tools"} & headers.keys()


def test_what_has_no_value_is_left_out() -> None:
    opening = ClientIdentity().opening(access_token="t", request_id=ID)
    assert "x-blob-encryption-key" not in dict(opening.run)
    none = ClientIdentity().opening(access_token="t", request_id=ID, allowed_tools="")
    assert dict(none.run)["x-cursor-agent-allowed-tools"] == ""


def test_settings_go_before_the_file() -> None:
    identity = ClientIdentity(client_type="cli", client_version="cli-x", ghost_mode=False)
    headers = dict(identity.unary(access_token="t", request_id=ID))
    assert headers["x-cursor-client-type"] == "cli"
    assert headers["x-cursor-client-version"] == "cli-x"
    assert headers["x-ghost-mode"] == "false"


@pytest.mark.parametrize("token", ["abc", "user_1::abc", "auth0|u%3A%3Aabc", " abc\n"])
def test_only_the_token_itself_is_sent(token: str) -> None:
    assert bearer(token) == "abc"


@pytest.mark.parametrize("token", ["", "user::", "a\nb", "ä"])
def test_a_token_that_no_header_can_hold(token: str) -> None:
    with pytest.raises(FlowayError, match="access token") as raised:
        bearer(token)
    assert not token.strip() or token not in str(raised.value)


def test_the_token_is_in_no_repr() -> None:
    identity = ClientIdentity()
    opening = identity.opening(access_token="very-secret", request_id=ID)
    assert "very-secret" not in repr(opening) + repr(identity)
    assert "very-secret" in dict(opening.run)["authorization"]


def test_an_unknown_identity_is_named_with_those_that_are_there() -> None:
    with pytest.raises(FlowayError, match=NEWEST):
        ClientIdentity("nobody")
    assert (SHELF / f"{NEWEST}.toml").is_file()
