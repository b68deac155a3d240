"""What an exchange says of the accounts that may serve it."""

from __future__ import annotations

from addons.accounts.model import Account
from tests.fakes import FakeProvider, exchange_of

ACCOUNTS = [Account("fake", name, f"handle-{name}", object()) for name in "abc"]


def test_usually_all_but_those_tried() -> None:
    exchange = exchange_of(FakeProvider())
    exchange.conversation = "local:1"
    assert {*exchange.barred(ACCOUNTS, {"handle-b"})} == {"handle-b"}
    assert exchange.binding == "local:1"


def test_one_alone() -> None:
    exchange = exchange_of(FakeProvider())
    exchange.conversation, exchange.only_account = "local:1", "b"
    assert {*exchange.barred(ACCOUNTS, set())} == {"handle-a", "handle-c"}
    assert {*exchange.barred(ACCOUNTS, {"handle-b"})} == {"handle-a", "handle-b", "handle-c"}
    assert exchange.binding == "", "the conversation does not move to it"
    exchange.only_account = "gone"
    assert len(exchange.barred(ACCOUNTS, set())) == 3
