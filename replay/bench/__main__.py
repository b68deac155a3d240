"""``python -m replay.bench``."""

from replay.bench.cli import app

app(prog_name="scripts/bench")
