"""What is counted, and what Prometheus reads of it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from addons.accounts.model import AccountState
from addons.errors import ClientError
from addons.exchange import Attempt, Exchange, Usage
from addons.operate import METRICS_PATH
from addons.operate.metrics import MAX_REASONS, Metrics
from addons.operate.observer import Observer, result
from addons.providers.contract import (
    Commit,
    Fail,
    Hold,
    NextAccount,
    Outcome,
    RefreshCredentials,
    SameAccount,
    Verdict,
)
from addons.sessions.meter import Meter
from replay.cli.reference import README
from tests.accounts.authorities import PROVIDER
from tests.fakes import SOCKET_ROUTE, FakeProvider, exchange_of
from tests.operate.places import Place, used
from tests.sessions.made import facts

BUSY = ClientError(429, "busy", "Busy.")


@pytest.fixture
def observer() -> Observer:
    return Observer(Metrics())


def value(observer: Observer, name: str, **labels: str) -> float:
    """A sample's value; 0 where there is none."""
    return observer.metrics.registry.get_sample_value(f"floway_{name}", labels) or 0.0


def attempts(exchange: Exchange, *made: tuple[str, Verdict]) -> None:
    for account, verdict in made:
        reason = getattr(verdict, "reason", "")
        exchange.attempts.append(Attempt(account, verdict=verdict, reason=reason))


def test_a_request_from_its_beginning_to_its_end(observer: Observer) -> None:
    exchange = exchange_of(FakeProvider())
    observer.began(exchange, 0.002)
    assert value(observer, "open_requests", provider="fake") == 1
    attempts(exchange, ("a", NextAccount("limit: of the week", 60.0, BUSY)), ("b", Commit()))
    observer.committed(exchange, 0.2)
    assert value(observer, "open_streams", provider="fake") == 1
    assert observer.open_requests == 1
    exchange.outcome = Outcome.COMPLETED
    observer.ended(exchange)
    assert observer.open_requests == 0
    for name in ("open_requests", "open_streams"):
        assert value(observer, name, provider="fake") == 0
    labels = {"provider": "fake", "protocol": "responses", "kind": "model"}
    assert value(observer, "requests_total", **labels, outcome="completed") == 1
    assert value(observer, "attempts_total", provider="fake", account="b", result="commit") == 1
    refused = {"provider": "fake", "account": "a", "result": "next_account"}
    assert value(observer, "attempts_total", **refused) == 1
    assert value(observer, "failovers_total", provider="fake", reason="limit") == 1
    assert value(observer, "added_seconds_sum", stage="plan") == 0.002
    assert value(observer, "added_seconds_sum", stage="hold") == 0.2
    seconds = {"provider": "fake", "outcome": "completed"}
    assert value(observer, "request_seconds_count", **seconds) == 1


def test_whatever_is_called_twice_counts_once(observer: Observer) -> None:
    exchange = exchange_of(FakeProvider())
    for _ in range(2):
        observer.began(exchange, 0.0)
        observer.committed(exchange, 0.0)
    observer.ended(exchange)  # its outcome is not known yet
    exchange.outcome = Outcome.FAILED
    observer.ended(exchange)
    observer.ended(exchange)
    observer.began(exchange, 0.0)
    observer.committed(exchange, 0.0)
    labels = {"provider": "fake", "protocol": "responses", "kind": "model"}
    assert value(observer, "requests_total", **labels, outcome="failed") == 1
    assert value(observer, "added_seconds_count", stage="plan") == 1
    assert value(observer, "open_requests", provider="fake") == 0


def test_a_whole_answer_is_no_stream(observer: Observer) -> None:
    exchange = exchange_of(FakeProvider(), stream=False)
    observer.began(exchange, 0.0)
    observer.committed(exchange, 0.0)
    assert value(observer, "open_streams", provider="fake") == 0


def test_a_websocket_is_open_from_its_upgrade_on(observer: Observer) -> None:
    exchange = exchange_of(FakeProvider(), SOCKET_ROUTE)
    observer.began(exchange, 0.0)
    assert value(observer, "websocket_connections", provider="fake") == 0
    observer.committed(exchange, 0.0)
    assert value(observer, "websocket_connections", provider="fake") == 1
    assert value(observer, "open_requests", provider="fake") == 0
    exchange.outcome = Outcome.CLIENT_LEFT
    observer.ended(exchange)
    assert value(observer, "websocket_connections", provider="fake") == 0


def test_an_exchange_that_nobody_ends_is_not_kept(observer: Observer) -> None:
    observer.began(exchange_of(FakeProvider()), 0.0)
    assert observer.open_requests == 0


def test_failovers_are_changes_of_the_account(observer: Observer) -> None:
    exchange = exchange_of(FakeProvider())
    observer.began(exchange, 0.0)
    attempts(exchange, ("a", SameAccount("again", BUSY)), ("a", RefreshCredentials("old", BUSY)))
    exchange.outcome = Outcome.FAILED
    observer.ended(exchange)
    assert value(observer, "failovers_total", provider="fake", reason="again") == 0
    for ended in ("same_account", "refresh"):
        assert value(observer, "attempts_total", provider="fake", account="a", result=ended) == 1


@pytest.mark.parametrize(
    ("verdict", "label"), [(None, "none"), (Hold(), "none"), (Fail("broken"), "fail")]
)
def test_results(verdict: Verdict | None, label: str) -> None:
    assert result(verdict) == label


def test_reasons_are_bounded() -> None:
    metrics = Metrics()
    assert metrics.reason("transport: reset by 192.0.2.7") == "transport"
    assert metrics.reason('odd "words"\n') == "odd words"
    assert metrics.reason("") == "unknown"
    assert len(metrics.reason("x" * 500)) <= 60
    seen = {metrics.reason(f"reason {number}") for number in range(2 * MAX_REASONS)}
    assert len(seen) <= MAX_REASONS
    assert "other" in seen
    assert metrics.reason("transport: again") == "transport"


# --- inside a provider ---------------------------------------------------------------------------


async def test_tokens_are_counted_once(here: Place) -> None:
    """By the journal where there is one, else as the exchange has them."""
    for provider, tokens in (("fake", 7.0), (PROVIDER, 0.0)):
        exchange = exchange_of(FakeProvider(name=provider))
        here.observer.began(exchange, 0.0)
        attempts(exchange, ("a", Commit()))
        exchange.usage, exchange.outcome = Usage(7, 5, 3), Outcome.COMPLETED
        here.observer.ended(exchange)
        labels = {"provider": provider, "account": "a"}
        assert value(here.observer, "input_tokens_total", **labels) == tokens


async def test_cooldowns_refreshes_and_tokens(here: Place) -> None:
    await here.add("ada", "work")
    now, account = here.clock(), here.account("work")
    changed: list[Any] = []
    here.pool.cooldowns.changed = lambda *told: changed.append(told)
    here.observer.watch(here.operated)
    here.pool.cool(account, None, now + 60, "usage limit: week", now=now)
    here.pool.cooldowns.clear(account.handle, all_models=True)
    assert len(changed) == 2  # whoever listened before, still does
    begun = {"provider": PROVIDER, "account": "work", "reason": "usage limit"}
    assert value(here.observer, "cooldowns_total", **begun) == 1
    await here.ask("POST", "/accounts/work/refresh")
    renewed = {"provider": PROVIDER, "account": "work", "result": "renewed"}
    assert value(here.observer, "refreshes_total", **renewed) == 1
    assert here.operated.journal is not None
    entry = Meter().record(facts(account="work", input=3000, cached=1024)).log[-1]
    here.operated.journal.counted(entry)
    labels = {"provider": PROVIDER, "account": "work"}
    for kind, tokens in (("input", 3000), ("cached", 1024), ("output", 10)):
        assert value(here.observer, f"{kind}_tokens_total", **labels) == tokens


# --- what is read --------------------------------------------------------------------------------


async def read(here: Place, accept: str = "") -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name and the values of their labels."""
    async with here.client(accept=accept) as client:
        answer = await client.get(METRICS_PATH)
    assert answer.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


async def test_the_pools_as_they_are(here: Place) -> None:
    for subject, label in (("ada", "work"), ("ben", "home"), ("cleo", "off")):
        await here.add(subject, label)
    now = here.clock()
    here.account("work").quota = used(40.0, now + 600, now)
    here.pool.cool(here.account("work"), None, now + 60, "busy", now=now)
    here.pool.cool(here.account("home"), "m", now + 60, "busy", now=now)
    here.account("off").state = AccountState.DISABLED
    found = await read(here)
    assert found["floway_accounts"] == {
        (PROVIDER, "ready"): 1.0,
        (PROVIDER, "cooling"): 1.0,
        (PROVIDER, "disabled"): 1.0,
        (PROVIDER, "needs_login"): 0.0,
    }
    assert set(found["floway_cooldowns_open"].values()) == {1.0}
    assert set(found["floway_quota_used_ratio"].values()) == {0.4}
    assert set(found["floway_quota_resets_timestamp_seconds"].values()) == {now + 600}
    here.clock.now = now + 601  # the window's end, and the cooldowns'
    found = await read(here)
    assert "floway_cooldowns_open" not in found
    assert set(found["floway_quota_used_ratio"].values()) == {0.0}
    await here.ask("DELETE", "/accounts/work")
    assert "floway_quota_used_ratio" not in await read(here)


async def test_both_text_forms(here: Place) -> None:
    async with here.client() as client:
        plain = await client.get(METRICS_PATH)
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        open_metrics = await client.get(METRICS_PATH, headers=accept)
    assert plain.headers["content-type"].startswith("text/plain")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")


def test_names_and_labels_follow_the_conventions() -> None:
    families = Metrics().families
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.name.startswith("floway_")
        assert (family.kind == "counter") == family.name.endswith("_total")
        assert set(family.labels).isdisjoint({"le", "model", "handle"})
        assert family.told.endswith(".")


def test_every_metric_is_in_the_readme() -> None:
    text = README.read_text()
    for family in Metrics().families:
        assert f"| `{family.name}` | {family.kind} |" in text


def test_a_reason_that_quotes_a_secret_is_no_label(observer: Observer) -> None:
    said = "Bearer abcdefgh1234 of joe@example.com in /home/joe/x: refused"
    assert observer.metrics.reason(said) == "Bearer of in"
