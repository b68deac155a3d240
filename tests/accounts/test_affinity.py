"""Bindings: sliding, bounded, and never undone by an older attempt."""

from __future__ import annotations

from addons.accounts.affinity import Affinity, Binding

NOW = 1_800_000_000.0


def test_use_prolongs_and_idleness_ends() -> None:
    affinity = Affinity(ttl=100)
    affinity.bind("talk", "h", NOW, NOW)
    assert affinity.get("talk", NOW + 90) is not None
    assert affinity.get("talk", NOW + 180) is not None
    assert affinity.get("talk", NOW + 280) is None
    assert len(affinity) == 0


def test_an_older_attempt_does_not_overwrite() -> None:
    affinity = Affinity()
    assert affinity.bind("talk", "new", NOW + 5, NOW + 6)
    assert not affinity.bind("talk", "old", NOW, NOW + 9)
    found = affinity.get("talk", NOW + 10)
    assert found is not None
    assert found.handle == "new"


def test_the_binding_used_longest_ago_goes_first() -> None:
    affinity = Affinity(limit=2)
    affinity.bind("1", "h", NOW, NOW)
    affinity.bind("2", "h", NOW, NOW)
    affinity.get("1", NOW + 1)
    affinity.bind("3", "h", NOW, NOW)
    assert {each.conversation for each in affinity} == {"1", "3"}


def test_a_clock_that_goes_back_does_not_shorten() -> None:
    affinity = Affinity(ttl=100)
    affinity.bind("talk", "h", NOW, NOW)
    affinity.get("talk", NOW - 1000)
    assert affinity.get("talk", NOW + 99) is not None


def test_stored_ones_come_back_and_can_be_dropped() -> None:
    affinity = Affinity()
    affinity.restore(Binding("talk", "h", NOW, NOW))
    assert affinity.get("talk", NOW) is not None
    affinity.drop("talk")
    affinity.drop("talk")
    assert affinity.get("talk", NOW) is None
