from __future__ import annotations

import math

import pytest

from replay.bench.runs import measure


@pytest.mark.slow
async def test_every_figure_is_measured() -> None:
    """Whether they are good is for the benchmark to say, on a machine that does nothing else."""
    figures = [figure async for figure in measure(0.01)]
    units = [figure.unit for figure in figures]
    assert units == ["/s", "messages/s", "messages/s", "ms", "ms", "KiB"]
    assert all(math.isfinite(figure.value) for figure in figures)
    assert all(figure.value > 0 for figure in figures[:-1])
    assert all(figure.unit in str(figure) for figure in figures)
