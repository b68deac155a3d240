"""The attempts of one exchange: what is sent, what is tried again, and what the client is told."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addons import attempts, held_body
from addons.driver import Replan, Step
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.routes import Route
from addons.providers.contract import (
    Answer,
    Commit,
    Ended,
    Fail,
    Hold,
    Outcome,
    RefreshCredentials,
    Refuse,
    SameAccount,
    Verdict,
)
from tests.driven import BUSY, NEXT, Case
from tests.fakes import (
    CHAT_ROUTE,
    MODEL_ROUTE,
    NATIVE_ROUTE,
    SIDE_ROUTE,
    FakeProvider,
    Mishap,
    generated,
)

# --- the first plan ------------------------------------------------------------------------------


async def test_a_plan_replaces_the_request_as_a_whole() -> None:
    case = Case()
    await case.driver.begin()
    assert case.sent == "a"
    assert case.flow.request.port == 1
    assert case.flow.request.path == "/v1/responses"
    assert not {"authorization", "cookie"} & set(case.flow.request.headers)
    assert case.client.headers["cookie"] == "own=1", "what the client sent is not touched"
    assert (case.driver.lane, case.driver.http2) == ("a", False)
    assert [attempt.account for attempt in case.exchange.attempts] == ["a"]
    assert case.exchange.summary["profile"] == "made-up"


@pytest.mark.parametrize(
    "plan",
    [Mishap("secret-token"), KeyError("x"), RecursionError(), asyncio.CancelledError(), "no plan"],
    ids=lambda plan: type(plan).__name__,
)
async def test_whatever_goes_wrong_in_planning_nothing_is_sent(
    plan: object, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case(plan)
    await case.driver.begin()
    assert case.sent is None
    assert case.told == (502, "rewrite_failed")
    assert case.exchange.id in case.error["message"]
    assert "secret-token" not in case.error["message"]
    assert "could not be rewritten" in caplog.text
    assert case.exchange.attempts == []


async def test_a_planning_that_is_cancelled_sends_nothing_either() -> None:
    started = asyncio.Event()

    async def forever(exchange: Exchange) -> None:
        started.set()
        await asyncio.Event().wait()

    case = Case(forever)
    work = asyncio.ensure_future(case.driver.begin())
    await started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert case.told == (502, "rewrite_failed")


@pytest.mark.parametrize("refusal", [Refuse(BUSY), BUSY], ids=["planned", "raised"])
async def test_a_refusal_is_told(refusal: object) -> None:
    case = Case(refusal)
    await case.driver.begin()
    assert case.told == (429, "usage_limit_reached")
    assert case.flow.response.headers["retry-after"] == "60"
    assert case.exchange.summary["error"] == "usage_limit_reached"
    assert case.driver.delivery.outcome(case.flow.response) is Outcome.FAILED


@pytest.mark.parametrize(
    ("body", "encoding", "told"),
    [
        (b"{", "", (400, "invalid_json")),
        (b"{}", "", (400, "missing_required_parameter")),
        (b"{}", "made-up", (415, "unsupported_content_encoding")),
        (b"{}", "gzip", (400, "invalid_content_encoding")),
        (gzip.compress(b" " * 2048, mtime=0), "gzip", (413, "body_too_large")),
    ],
)
async def test_a_bad_body_is_the_client_s_mistake(
    body: bytes, encoding: str, told: tuple[int, str]
) -> None:
    case = Case(max_request_bytes=1024)
    case.client.raw_content = body
    if encoding:
        case.client.headers["content-encoding"] = encoding
    await case.driver.begin()
    assert case.told == told
    assert case.provider.calls == [], "the provider was not asked"


async def test_a_compressed_body_is_read_once_and_the_plan_sees_it_decoded() -> None:
    case = Case()
    plain = case.client.raw_content or b""
    case.client.raw_content = zstandard.ZstdCompressor().compress(plain)
    case.client.headers["content-encoding"] = "zstd"
    await case.driver.begin()
    assert case.exchange.body == plain
    assert case.exchange.turn is not None
    assert case.exchange.turn.model == "m"
    assert case.flow.request.raw_content == plain


async def test_bodies_of_other_endpoints_are_not_read() -> None:
    case = Case(route=SIDE_ROUTE)
    case.client.raw_content = b"\x00 not JSON"
    case.client.headers["content-encoding"] = "made-up"
    await case.driver.begin()
    assert case.sent == "a"
    assert case.flow.request.raw_content == b"\x00 not JSON"
    assert case.exchange.turn is None


async def test_a_generated_answer() -> None:
    for http2 in (False, True):
        case = Case(generated(b"x", status=201), http2=http2)
        await case.driver.begin()
        response = case.flow.response
        assert response is not None
        assert response.status_code == 201
        assert case.driver.production is not None
        assert "content-length" not in response.headers
        assert response.headers.get("transfer-encoding") == (None if http2 else "chunked")
        assert [attempt.account for attempt in case.exchange.attempts] == ["made"]
        case.driver.production.cancel()
        await asyncio.sleep(0)


# --- verdicts ------------------------------------------------------------------------------------


async def test_the_next_account_serves_and_the_attempt_is_shown() -> None:
    case = Case(verdicts=[NEXT, Commit()])
    await case.driver.begin()
    await case.refused(429)
    assert case.sent == "b"
    assert case.driver.lane == "b"
    assert case.witnessed == [(1, "limit")]
    assert case.answered(200, b"output") is Step.COMMIT
    assert case.exchange.committed
    assert [(a.account, a.status) for a in case.exchange.attempts] == [("a", 429), ("b", 200)]


@pytest.mark.parametrize("verdict", [NEXT, RefreshCredentials("stale", BUSY)], ids=type)
async def test_the_provider_plans_again_after_each_verdict(verdict: Verdict) -> None:
    case = Case(verdicts=[verdict])
    await case.driver.begin()
    await case.refused(401)
    assert case.provider.calls.count("plan") == 2
    assert case.exchange.attempts[0].verdict is verdict


async def test_the_same_account_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(attempts.asyncio, "sleep", sleep)
    case = Case(verdicts=[SameAccount("hiccup", BUSY, 0.2), SameAccount("again", BUSY)])
    await case.driver.begin()
    await case.refused(500)
    await case.refused(500)
    assert waits == [0.2]
    assert case.sent == "c"


async def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    case = Case(verdicts=[SameAccount("hiccup", BUSY, 5.0)], attempt_budget_seconds=4.0)
    await case.driver.begin()
    await case.refused(500)
    assert case.told == (429, "usage_limit_reached")


async def test_attempts_are_numbered() -> None:
    case = Case(verdicts=[NEXT], max_attempts=2)
    await case.driver.begin()
    await case.refused(429)
    assert case.sent == "b"
    await case.refused(429)
    assert case.told == (429, "usage_limit_reached")
    assert case.witnessed == [(1, "limit"), (2, "limit")], "the last one is shown, too"


async def test_time_runs_out() -> None:
    case = Case(verdicts=[NEXT], attempt_budget_seconds=1.0)
    await case.driver.begin()
    case.exchange.started -= 2.0
    await case.refused(429)
    assert case.told == (429, "usage_limit_reached")


async def test_a_request_too_large_to_be_kept_has_one_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case(verdicts=[NEXT], keep_request_bytes=10)
    await case.driver.begin()
    await case.refused(429)
    assert case.told == (429, "usage_limit_reached")
    assert "keep_request_bytes" in caplog.text


async def test_a_failure_is_told() -> None:
    case = Case(verdicts=[Fail("redirect", ClientError(502, "upstream_redirect", "No."))])
    await case.driver.begin()
    await case.refused(302)
    assert case.told == (502, "upstream_redirect")


@pytest.mark.parametrize("verdict", [Fail("refused"), Commit()], ids=type)
async def test_without_an_answer_there_is_nothing_to_give(verdict: Verdict) -> None:
    case = Case(verdicts=[verdict])
    await case.driver.begin()
    await case.refused(None, b"", ended=Ended.BROKEN)
    assert case.told == (502, "upstream_unreachable")
    assert "reset" in case.error["message"]


async def test_holding_is_for_open_answers() -> None:
    case = Case(verdicts=[Hold()])
    await case.driver.begin()
    assert case.answered(200, b"", ended=Ended.OPEN) is Step.HOLD
    assert case.answered(200, b"x", ended=Ended.WAITED) is Step.COMMIT


async def test_an_upstream_s_own_error_is_committed() -> None:
    case = Case(verdicts=[Fail("refused")])
    await case.driver.begin()
    assert case.answered(400, b'{"detail":"no"}') is Step.COMMIT
    assert case.exchange.committed


async def test_an_answer_that_cannot_be_judged(caplog: pytest.LogCaptureFixture) -> None:
    case = Case(verdicts=[Mishap("secret-token")])
    await case.driver.begin()
    await case.refused(200)
    assert case.told == (502, "judge_failed")
    assert "secret-token" not in case.error["message"]
    assert "could not be judged" in caplog.text


@pytest.mark.parametrize(
    "mishap", [Mishap("no"), asyncio.CancelledError()], ids=lambda mishap: type(mishap).__name__
)
async def test_a_later_plan_that_fails_sends_nothing(
    mishap: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case(lambda exchange: case.provider.forward(exchange), mishap, verdicts=[NEXT])
    await case.driver.begin()
    await case.refused(429)
    assert case.told == (502, "rewrite_failed")
    assert "could not be rewritten" in caplog.text


async def test_a_witness_that_fails_costs_no_attempt(caplog: pytest.LogCaptureFixture) -> None:
    case = Case(verdicts=[NEXT])
    case.witness_fails = True
    await case.driver.begin()
    await case.refused(429)
    assert case.sent == "b"
    assert "could not be shown" in caplog.text


async def test_a_later_plan_may_generate_the_answer() -> None:
    case = Case(lambda exchange: case.provider.forward(exchange), generated(b"x"), verdicts=[NEXT])
    await case.driver.begin()
    await case.refused(429)
    assert case.sent is None
    assert case.driver.production is not None
    case.driver.production.cancel()
    await asyncio.sleep(0)


# --- the client leaves ---------------------------------------------------------------------------


async def test_a_client_that_leaves_ends_the_wait() -> None:
    case = Case(verdicts=[SameAccount("hiccup", BUSY, 30.0)])
    await case.driver.begin()
    assert case.answered(500) is Step.REPLAN
    replan = Replan(case.flow, case.driver, b"", Ended.COMPLETE)
    work = asyncio.ensure_future(case.driver.replan(replan))
    await asyncio.sleep(0)
    case.driver.leave()
    await work
    assert case.flow.response is None
    assert len(case.exchange.attempts) == 1
    assert not work.cancelled()


async def test_a_wait_that_is_cancelled_leaves_no_work_behind() -> None:
    case = Case(verdicts=[SameAccount("hiccup", BUSY, 30.0)])
    await case.driver.begin()
    assert case.answered(500) is Step.REPLAN
    replan = Replan(case.flow, case.driver, b"", Ended.COMPLETE)
    work = asyncio.ensure_future(case.driver.replan(replan))
    await asyncio.sleep(0)
    before = asyncio.all_tasks()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.sleep(0)
    assert [task for task in before if not task.done()] == [asyncio.current_task()]


async def test_a_client_that_leaves_ends_the_first_plan() -> None:
    started = asyncio.Event()

    async def forever(exchange: Exchange) -> None:
        started.set()
        await asyncio.Event().wait()

    case = Case(forever)
    work = asyncio.ensure_future(case.driver.begin())
    await started.wait()
    case.driver.leave()
    await work
    assert case.sent is None, "the client's own request is not sent"
    assert case.told == (499, "client_left")


async def test_leaving_when_nothing_is_planned_changes_nothing() -> None:
    case = Case()
    case.driver.leave()
    await case.driver.begin()
    case.driver.leave()
    await asyncio.sleep(0)
    assert case.sent == "a"
    assert not case.driver.left


# --- what a client is told of the upstream's error -----------------------------------------------

LIMIT = b'{"error":{"type":"usage_limit_reached","resets_at":1999999999,"odd":1}}'


@pytest.mark.parametrize("route", [MODEL_ROUTE, CHAT_ROUTE], ids=["responses", "chat"])
async def test_the_last_error_in_the_client_s_protocol(route: Route) -> None:
    provider = FakeProvider(explained=BUSY)
    case = Case(verdicts=[NEXT], max_attempts=1, route=route, provider=provider)
    await case.driver.begin()
    await case.refused(429, LIMIT, x_request_id="req_7", set_cookie="a=1")
    assert case.told == (429, "usage_limit_reached")
    assert case.error["message"] == "The limit is reached."
    assert case.flow.response.headers["x-request-id"] == "req_7"
    assert "set-cookie" not in case.flow.response.headers


async def test_the_upstream_s_own_words_where_the_client_acts_on_them() -> None:
    case = Case(verdicts=[NEXT], max_attempts=1, route=NATIVE_ROUTE)
    await case.driver.begin()
    await case.refused(
        429,
        gzip.compress(LIMIT),
        content_encoding="gzip",
        x_codex_primary_used_percent="100",
        retry_after="7",
        transfer_encoding="chunked",
        set_cookie="a=1",
    )
    response = case.flow.response
    assert response is not None
    assert response.status_code == 429
    assert response.content == LIMIT
    assert dict(response.headers) == {
        "content-encoding": "gzip",
        "x-codex-primary-used-percent": "100",
        "retry-after": "7",
        "content-length": str(len(gzip.compress(LIMIT))),
    }
    assert f"explain 429 {LIMIT.decode()}" in case.provider.calls
    assert case.exchange.summary["error"] == "usage_limit_reached"


async def test_a_refusal_for_the_last_error_s_sake_is_that_error() -> None:
    case = Case(
        lambda exchange: case.provider.forward(exchange),
        Refuse(BUSY),
        verdicts=[NEXT],
        route=NATIVE_ROUTE,
    )
    await case.driver.begin()
    await case.refused(429, LIMIT)
    assert case.flow.response is not None
    assert case.flow.response.content == LIMIT


async def test_a_refusal_of_its_own_is_told_even_there() -> None:
    cooling = ClientError(429, "all_accounts_cooling", "All are cooling.", retry_after=5)
    case = Case(
        lambda exchange: case.provider.forward(exchange),
        Refuse(cooling),
        verdicts=[NEXT],
        route=NATIVE_ROUTE,
    )
    await case.driver.begin()
    await case.refused(429, LIMIT)
    assert case.told == (429, "all_accounts_cooling")


async def test_a_cut_error_is_not_passed_on() -> None:
    case = Case(verdicts=[NEXT], max_attempts=1, route=NATIVE_ROUTE)
    await case.driver.begin()
    await case.refused(429, LIMIT[:20], ended=Ended.BROKEN)
    assert case.told == (429, "usage_limit_reached")


# --- held bodies ---------------------------------------------------------------------------------


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6),
    encoding=st.sampled_from(["", "gzip", "zstd"]),
)
def test_held_pieces_are_judged_decoded(pieces: list[bytes], encoding: str) -> None:
    asyncio.run(_judged_decoded(pieces, encoding))


async def _judged_decoded(pieces: list[bytes], encoding: str) -> None:
    whole = b"".join(pieces)
    coded = {"": whole, "gzip": gzip.compress(whole), "zstd": zstandard.compress(whole)}[encoding]
    size = max(1, len(coded) // len(pieces))
    chunks = [coded[i : i + size] for i in range(0, len(coded), size)]
    case = Case(verdicts=[Hold()])
    await case.driver.begin()
    headers = {"content_encoding": encoding} if encoding else {}
    case.answered(200, b"", ended=Ended.OPEN, **headers)
    for count in range(1, len(chunks) + 1):
        case.driver.judge(Ended.OPEN, chunks[:count], "")
    bodies = [answer.body for answer in case.provider.answers]
    assert bodies[-1] == whole
    assert all(whole.startswith(body) for body in bodies)


async def test_a_later_attempt_s_body_is_decoded_for_itself() -> None:
    seen: list[Answer] = []

    def note(answer: Answer) -> Verdict:
        seen.append(answer)
        return NEXT

    case = Case(verdicts=[note])
    await case.driver.begin()
    for body in (b"first", b"second"):
        await case.refused(429, gzip.compress(body), content_encoding="gzip")
    assert [answer.body for answer in seen] == [b"first", b"second"]


@pytest.mark.parametrize("encoding", ["made-up", "gzip"])
async def test_an_answer_whose_coding_cannot_be_read(encoding: str) -> None:
    case = Case()
    await case.driver.begin()
    await case.refused(200, b"odd bytes", content_encoding=encoding)
    assert case.told == (502, "upstream_encoding")
    side = Case(route=SIDE_ROUTE)
    await side.driver.begin()
    assert side.answered(200, b"odd bytes", content_encoding=encoding) is Step.COMMIT


async def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_body, "HELD_BYTES", 1000)
    case = Case()
    await case.driver.begin()
    await case.refused(200, gzip.compress(b" " * 100_000, mtime=0), content_encoding="gzip")
    assert case.told == (502, "upstream_encoding")


# --- answers that were committed -----------------------------------------------------------------


async def test_a_whole_answer_that_breaks_off_is_no_answer() -> None:
    case = Case(stream=False)
    await case.driver.begin()
    assert case.answered(200, b"data", ended=Ended.WAITED) is Step.COMMIT
    case.ended = Ended.BROKEN
    await case.replanned()
    assert case.told == (502, "upstream_truncated")
    assert case.driver.delivery.outcome(case.flow.response) is Outcome.TRUNCATED


def test_the_client_s_body_is_too_large() -> None:
    case = Case(max_request_bytes=2048)
    case.driver.refuse_body()
    assert case.told == (413, "request_too_large")
    assert "2048" in case.error["message"]
    assert "max_request_bytes" in case.error["message"]


@pytest.fixture(autouse=True)
def no_unexpected_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is logged as an error names an exchange or what could not be done."""
    yield
    for record in caplog.records:
        if record.levelno >= logging.ERROR:
            assert record.name.startswith("addons."), record.getMessage()
