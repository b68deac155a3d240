"""A running pool follows what is kept, and shows what it has learned."""

from __future__ import annotations

import asyncio

import pytest

from addons.accounts.errors import AccountError
from addons.accounts.keeper import Keeper
from addons.accounts.model import Account, AccountState, account_handle
from addons.accounts.pool import AllCooling, Pool
from tests.accounts.authorities import PROVIDER, House


def keeper(house: House, pool: Pool, *configured: Account, **more: object) -> Keeper:
    return Keeper(
        house.authority,
        house.credentials,
        house.states,
        house.refresher(),
        pool,
        configured,
        clock=house.clock,
        **more,  # type: ignore[arg-type]
    )


def labels(pool: Pool) -> list[str]:
    return [account.label for account in pool.accounts]


async def test_accounts_come_change_and_go(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool)
    await house.add("ann", "work")
    assert await own.look()
    assert not await own.look()
    (account,) = pool.accounts
    assert (account.label, account.credential) == ("work", "access-ann-0")
    await house.credentials.relabel("one.work", "office")
    await house.add("bob", "home")
    assert await own.look()
    assert sorted(labels(pool)) == ["home", "office"]
    assert pool.account(account.handle) is account
    await house.credentials.remove("one.office")
    await own.look()
    assert labels(pool) == ["home"]


async def test_accounts_of_the_settings_stay(house: House) -> None:
    configured = Account(PROVIDER, "own", account_handle(PROVIDER, "eve"), "secret")
    pool = Pool([configured])
    own = keeper(house, pool, configured)
    await house.add("ann", "work")
    await own.look()
    assert labels(pool) == ["own", "work"]
    await house.states.enable(PROVIDER, configured.handle, False)
    await own.look()
    assert configured.state is AccountState.DISABLED
    await house.add("eve", "eve")  # the same subject, and can be refreshed
    await own.look()
    assert sorted(labels(pool)) == ["eve", "work"]
    await house.credentials.remove("one.eve")
    await house.states.enable(PROVIDER, configured.handle, True)
    await own.look()
    assert (sorted(labels(pool)), configured.state) == (["own", "work"], AccountState.READY)


async def test_a_pin_beats_affinity_and_round_robin_while_it_can_serve(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool)
    for subject in ("ann", "bob", "cid"):
        await house.add(subject, subject)
    await own.look()
    now = house.clock()
    bound = pool.choose("talk", "m", now)
    assert isinstance(bound, Account)
    pool.succeeded("talk", bound, "m", now, started=now)
    other = next(account for account in pool.accounts if account is not bound)
    await house.states.pin(PROVIDER, other.handle)
    assert pool.choose("talk", "m", now) is bound
    await own.look()
    assert [pool.choose(key, "m", now) for key in ("talk", "new", "")] == [other] * 3
    pool.cool(other, None, now + 60, "used up", now=now)
    assert pool.choose("talk", "m", now) is bound
    await house.states.pin(PROVIDER, None)
    await own.look()
    assert pool.pinned is None


async def test_what_is_over_is_not_asked_until_the_next_login(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool)
    await house.add("ann", "work", expires_in=0)
    await own.look()
    (account,) = pool.accounts
    house.authority.fails = ["over"]
    assert not await own.ready(account)
    assert account.reason == "needs login (revoked): floway accounts add one --label work"
    refused = pool.choose("", "m", house.clock())
    assert isinstance(refused, AllCooling)
    assert "floway accounts add one" in refused.client_error("m", house.clock()).message
    await own.look()
    assert account.state is AccountState.NEEDS_LOGIN
    await house.add("ann", "work")
    await own.look()
    assert pool.choose("", "m", house.clock()) is account


async def test_ahead_of_the_end_and_in_spite_of_a_server_that_is_down(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool)
    await house.add("ann", "work", expires_in=100)
    await own.look()
    (account,) = pool.accounts
    house.authority.fails = ["later"]
    assert await own.ready(account)
    assert account.credential == "access-ann-0"
    house.clock.now += 60
    assert await own.ready(account)
    assert account.credential == "access-ann-1"


async def test_reload_then_renew(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool)
    kept = await house.add("ann", "work")
    await own.look()
    (account,) = pool.accounts
    assert not await own.reload(account, "access-ann-0")
    other = keeper(house, Pool())
    await other.look()
    assert await other.renew(other._pool.accounts[0], "access-ann-0")
    assert await own.reload(account, "access-ann-0")
    assert account.credential == "access-ann-1"
    assert await own.renew(account, "access-ann-0")  # already another one
    assert house.authority.asked == ["refused"]
    assert await own.renew(account, "access-ann-1")
    assert account.credential == "access-ann-2"
    house.authority.fails = ["over"]
    assert not await own.renew(account, "access-ann-2")
    assert account.state is AccountState.NEEDS_LOGIN
    assert kept.handle == account.handle


async def test_who_is_not_served_here_says_why(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool, admit=lambda account: "goes elsewhere")
    await house.add("ann", "work")
    await own.look()
    (account,) = pool.accounts
    assert (account.state, account.reason) == (AccountState.DISABLED, "goes elsewhere")


async def test_one_damaged_sign_in_does_not_hide_the_others(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool)
    await house.add("ann", "work")
    await own.look()
    (house.folder / "one.bad.json").write_text("{}")
    (house.folder / "one.bad.json").chmod(0o600)
    with pytest.raises(AccountError, match=r"one\.bad\.json"):
        await own.look()
    assert labels(pool) == ["work"]


async def test_it_watches_by_itself(house: House) -> None:
    pool = Pool()
    own = keeper(house, pool, period=0.001)
    await own.start()
    kept = await house.add("ann", "work")
    async with asyncio.timeout(20):
        while not pool.accounts:  # noqa: ASYNC110 - it tells nobody when it has looked
            await asyncio.sleep(0)
    await own.stop()
    assert [account.handle for account in pool.accounts] == [kept.handle]
    assert house.authority.closed


async def test_weight_and_priority_are_the_settings_where_nobody_said_otherwise(
    house: House,
) -> None:
    handle = account_handle(PROVIDER, "eve")
    configured = Account(PROVIDER, "own", handle, "secret", weight=3.0, priority=2)
    own = keeper(house, Pool([configured]), configured)
    await own.look()
    assert (configured.weight, configured.priority) == (3.0, 2)
    await house.states.prefer(PROVIDER, handle, weight=0.5, priority=None)
    await own.look()
    assert (configured.weight, configured.priority) == (0.5, 2)
    await house.states.prefer(PROVIDER, handle, weight=None, priority=-1)
    await house.states.enable(PROVIDER, handle, True)
    await own.look()
    assert (configured.weight, configured.priority) == (3.0, -1)
    with pytest.raises(ValueError, match="weight must be a positive number"):
        await house.states.prefer(PROVIDER, handle, weight=0.0, priority=None)


async def test_loose_files_stop_the_start(house: House) -> None:
    await house.add("ann", "work")
    (house.folder / "one.work.json").chmod(0o666)
    with pytest.raises(AccountError, match="chmod 600"):
        await keeper(house, Pool()).start()
