from __future__ import annotations

import pytest

from addons.front import protocols


def test_each_is_found_by_its_own_name() -> None:
    assert {"responses", "chat"} <= set(protocols.PROTOCOLS)
    for name, protocol in protocols.PROTOCOLS.items():
        assert protocol.name == name
        assert protocols.get(name) is protocol


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"'soap'; known: .*chat.*responses"):
        protocols.get("soap")
