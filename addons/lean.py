"""Libraries without the parts that only a terminal needs: 3 MB and 60 ms of every start.

httpx imports its command line and structlog its tracebacks in colour where ``rich`` is installed,
as it is for floway's own commands. The proxy uses neither. Both say what they do without it; this
module, imported before them, imports them as if it were not there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Importing these modules fails within; what was imported before is there again after."""
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    before = {name: modules[name] for name in names if name in modules}
    modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del modules[name]
        modules.update(before)


with absent("httpx._main", "rich"):
    import httpx  # noqa: F401
    import structlog  # noqa: F401
