"""What mitmproxy does with every request, in fewer steps and with the same outcome.

A small request goes through mitmproxy in some five thousand calls; these modules leave out half of
them. None of them decides anything, each can be left out, and each is compared with mitmproxy's own
way in its test.

- ``dispatch.py``: hooks from a table, and events that nobody takes are not made.
- ``pump.py``: a connection's events in fewer turns, what is said to it in one write.
- ``switch.py``: commands between streams and connections, told apart by their class.
- ``shortcuts.py``: headers, options, checks and names.
- ``chunks.py``: whole chunks of a body at once (used by ``addons/sending.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from addons.quick import dispatch, pump, shortcuts, switch


def install() -> Callable[[], None]:
    """From now on, in the whole process; the result undoes it."""
    with ExitStack() as stack:
        for each in (dispatch, pump, switch, shortcuts):
            stack.callback(each.install())
        return stack.pop_all().close
