from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.failover.house import Street


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    street = Street(tmp_path_factory.mktemp("street"))
    try:
        yield street
    finally:
        street.stop()
