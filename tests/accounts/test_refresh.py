"""Refreshes: one at a time, never lost, never in vain."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable
from addons.accounts.refresh import FIRST_PAUSE, LEASE_SECONDS
from addons.store.memory import MemoryStore
from tests.accounts.authorities import Clock, House, secret


async def test_what_is_good_is_left_alone(house: House) -> None:
    kept = await house.add("ann", "work")
    assert await house.refresher().usable("one.work") == kept
    assert await house.refresher().usable("one.work", refused="an older one") == kept
    assert house.authority.asked == []


@pytest.mark.parametrize(("left", "times"), [(301, 0), (299, 1), (-50, 1)])
async def test_ahead_of_its_end(house: House, left: float, times: int) -> None:
    await house.add("ann", "work", expires_in=left)
    document = await house.refresher().usable("one.work")
    assert house.authority.asked == ["expiry"] * times
    assert document.secret["access"] == f"access-ann-{times}"
    assert await house.credentials.read("one.work") == document


async def test_what_was_refused_is_renewed(house: House) -> None:
    kept = await house.add("ann", "work")
    refused = kept.secret["access"]
    document = await house.refresher().usable("one.work", refused=refused, reason="refused")
    assert (document.secret["access"], house.authority.asked) == ("access-ann-1", ["refused"])


async def test_many_tasks_and_processes_make_one_refresh(house: House) -> None:
    await house.add("ann", "work", expires_in=0)
    processes = [house.refresher() for _ in range(3)]
    house.authority.gate = asyncio.Event()
    tasks = [asyncio.create_task(p.usable("one.work")) for p in processes for _ in range(5)]
    await house.authority.began.wait()
    house.authority.gate.set()
    documents = await asyncio.gather(*tasks)
    assert {document.secret["access"] for document in documents} == {"access-ann-1"}
    assert house.authority.asked == ["expiry"]


async def test_who_leaves_does_not_lose_the_answer(house: House) -> None:
    await house.add("ann", "work", expires_in=0)
    refresher = house.refresher()
    house.authority.gate = asyncio.Event()
    leaving = asyncio.create_task(refresher.usable("one.work"))
    await house.authority.began.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    house.authority.gate.set()
    await refresher.close()
    kept = await house.credentials.read("one.work")
    assert kept is not None
    assert kept.secret["access"] == "access-ann-1"


async def test_what_is_over_is_remembered_and_asked_no_more(house: House) -> None:
    kept = await house.add("ann", "work", expires_in=0)
    house.authority.fails = ["over"]
    for refresher in (house.refresher(), house.refresher()):
        with pytest.raises(SignInEnded, match="over") as told:
            await refresher.usable("one.work")
        assert told.value.code == "revoked"
    assert house.authority.asked == ["expiry"]
    state = await house.states.of("one", kept.handle)
    assert state.problem is not None
    assert (state.problem.code, state.problem.revision) == ("revoked", kept.revision)


async def test_until_there_is_another_sign_in(house: House) -> None:
    await house.add("ann", "work", expires_in=0)
    house.authority.fails = ["over"]
    refresher = house.refresher()
    with pytest.raises(SignInEnded):
        await refresher.usable("one.work")
    await house.add("ann", "work", expires_in=0)
    assert (await refresher.usable("one.work")).secret["access"] == "access-ann-1"


async def test_what_may_pass_is_tried_again_later(house: House) -> None:
    await house.add("ann", "work", expires_in=0)
    house.authority.fails = ["later", "later"]
    refresher = house.refresher()
    asked = []
    for step in (0, FIRST_PAUSE - 1, 2, FIRST_PAUSE, FIRST_PAUSE):
        house.clock.now += step
        with contextlib.suppress(SignInUnavailable):
            await refresher.usable("one.work")
        asked.append(len(house.authority.asked))
    assert asked == [1, 1, 2, 2, 3]  # the second pause is twice as long
    kept = await house.credentials.read("one.work")
    assert kept is not None
    assert kept.secret["access"] == "access-ann-1"


async def test_a_person_does_not_wait(house: House) -> None:
    kept = await house.add("ann", "work")
    house.authority.fails = ["later"]
    refresher, token = house.refresher(), kept.secret["access"]
    with pytest.raises(SignInUnavailable):
        await refresher.usable("one.work", refused=token, reason="asked")
    assert (await refresher.usable("one.work", refused=token, reason="asked")) != kept


async def test_a_login_meanwhile_is_not_overwritten(house: House) -> None:
    await house.add("ann", "work", expires_in=0)
    house.authority.gate = asyncio.Event()
    task = asyncio.create_task(house.refresher().usable("one.work"))
    await house.authority.began.wait()
    login = await house.credentials.put(
        replace(await house.add("ann", "work"), secret=secret("ann", 77))
    )
    house.authority.gate.set()
    assert await task == login[0]
    assert await house.credentials.read("one.work") == login[0]


async def test_the_lease_of_a_dead_process_ends(house: House) -> None:
    clock = Clock()
    async with MemoryStore(clock=clock) as store:
        house = House(house.folder, store, clock)
        kept = await house.add("ann", "work", expires_in=0)
        lease = await store.lease(f"refresh one {kept.handle}", "the dead", LEASE_SECONDS)
        assert lease is not None
        task = asyncio.create_task(house.refresher().usable("one.work"))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not house.authority.asked
        clock.now += LEASE_SECONDS
        assert (await task).secret["access"] == "access-ann-1"


async def test_without_a_refresh_token_there_is_nothing_to_try(house: House) -> None:
    kept = await house.add("ann", "work")
    key = {name: kept.secret[name] for name in ("subject", "access", "expires_at")}
    await house.credentials.put(replace(kept, secret=key))
    with pytest.raises(AccountError, match="can't be refreshed"):
        await house.refresher().usable("one.work", refused=key["access"])
    with pytest.raises(AccountError, match=r"no credential one\.none"):
        await house.refresher().usable("one.none")


steps = st.lists(
    st.sampled_from(["use", "use together", "end", "refuse", "later", "over", "login", "wait"]),
    max_size=14,
)


@settings(max_examples=40)
@given(steps=steps)
async def test_no_rotation_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """The kept refresh token is the one that the server takes, whatever happens in between."""
    async with MemoryStore() as store:
        house = House(tmp_path_factory.mktemp("house") / "c", store)
        await house.add("ann", "work")
        processes = [house.refresher(), house.refresher()]
        over = False
        for number, step in enumerate(steps):
            kept = await house.credentials.read("one.work")
            assert kept is not None
            refresher = processes[number % 2]
            asked = len(house.authority.asked)
            match step:
                case "login":
                    await house.add("ann", "work")
                    over = False
                    continue
                case "wait":
                    house.clock.now += 400
                    continue
                case "end":
                    house.clock.now += 3600
                    continue
                case "later" | "over":
                    house.authority.fails = [step]
                    continue
            refused = kept.secret["access"] if step == "refuse" else None
            asking = processes if step == "use together" else [refresher]
            calls = [each.usable("one.work", refused=refused) for each in asking]
            results = await asyncio.gather(*calls, return_exceptions=True)
            for result in results:
                if isinstance(result, SignInEnded):
                    over = True
                elif isinstance(result, BaseException):
                    assert isinstance(result, SignInUnavailable)
                else:
                    assert result.secret["access"] != refused
            assert len(house.authority.asked) - asked <= len(calls)
        kept = await house.credentials.read("one.work")
        assert kept is not None
        assert kept.secret["refresh"] == f"refresh-ann-{house.authority.generations['ann']}"
        state = await house.states.of("one", kept.handle)
        ended = state.problem is not None and state.problem.revision == kept.revision
        assert ended == over
