"""``python -m replay.bench``."""

import signal
import sys

from replay.bench.cli import app

# Told to end, it leaves no processes behind: the ``with`` blocks end them.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
app(prog_name="scripts/bench")
