"""What the official client sent is what its profile says: the profile cannot agree with itself."""

from __future__ import annotations

import pytest

from fingerprints.apply import encode
from fingerprints.check import Layer, check_frame, check_request, inspect
from fingerprints.library import load
from fingerprints.serial import dumps
from tests.fingerprints.recordings import Case, case, cases

RELEASES = ("0.142.0", "0.169.0")


def label(each: Case) -> str:
    return each.name


@pytest.mark.parametrize("recorded", cases(), ids=label)
def test_recorded_request_has_no_difference(recorded: Case) -> None:
    assert [str(difference) for difference in recorded.check()] == []


@pytest.mark.parametrize("recorded", [each for each in cases() if not each.is_frame], ids=label)
def test_recorded_request_is_recognised(recorded: Case) -> None:
    found, _ = inspect(recorded.profile, recorded.observed())
    assert found is not None
    assert (found.kind, found.transport) == (recorded.kind, recorded.transport)
    assert found.sign_in == recorded.sign_in
    if recorded.data is not None and recorded.release == "0.169.0" and "model" in recorded.data:
        assert found.shape == recorded.shape


@pytest.mark.parametrize("recorded", cases(), ids=label)
def test_recorded_request_differs_from_the_other_release(recorded: Case) -> None:
    (other,) = set(RELEASES) - {recorded.release}
    assert recorded.check(load(f"codex@{other}"))


def test_every_kind_of_model_request_was_recorded() -> None:
    wanted = {
        (kind, transport, sign_in)
        for kind, transport in [("turn", "http"), ("turn", "websocket"), ("upgrade", "websocket")]
        for sign_in in ("chatgpt", "api_key")
    }
    wanted |= {("compaction", "http", "chatgpt"), ("prewarm", "websocket", "chatgpt")}
    for release in RELEASES:
        found = {(each.kind, each.transport, each.sign_in) for each in cases(release)}
        assert wanted <= found


@pytest.mark.parametrize("release", RELEASES)
def test_every_recorded_kind_is_in_the_profile(release: str) -> None:
    """The other way round every kind has a recording because it was learned from them."""
    recorded = {(each.kind, each.transport) for each in cases(release)}
    profile = load(f"codex@{release}")
    said = {(kind, over) for kind, forms in profile.requests.items() for over in forms}
    assert recorded <= said


@pytest.mark.parametrize("recorded", [each for each in cases() if each.zstd_header], ids=label)
def test_compression_makes_the_recorded_frame_header(recorded: Case) -> None:
    body = dumps(recorded.data)
    made = encode(
        recorded.profile, recorded.kind, shape=recorded.shape, sign_in=recorded.sign_in, raw=body
    )
    assert made[:6].hex() == recorded.zstd_header


def test_frame_is_compared_with_its_connection() -> None:
    upgrade = case("0.169.0/upgrade-ws-full-chatgpt")
    found, differences = inspect(upgrade.profile, upgrade.observed())
    assert found is not None
    assert differences == []
    foreign = case("0.169.0/turn-ws-full-chatgpt")
    profile = upgrade.profile
    seen = check_frame(profile, dumps(foreign.data), sign_in="chatgpt", known=found.stable)
    broken = {difference.rule for difference in seen}
    assert {difference.layer for difference in seen} == {Layer.EQUALITY}
    assert {"role session_id", "role thread_id", "role installation_id"} <= broken


def test_unknown_request_is_one_difference() -> None:
    recorded = case("0.169.0/usage")
    observed = recorded.observed()
    changed = type(observed)("GET", "/backend-api/wham/elsewhere", observed.headers)
    (difference,) = check_request(recorded.profile, changed)
    assert difference.layer == Layer.REQUEST_LINE
    assert "/backend-api/wham/elsewhere" in str(difference)
