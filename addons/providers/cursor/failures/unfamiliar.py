"""Errors that nobody has described yet: each is logged once, with what Cursor said of it.

Real samples are scarce (cursor-protocol.md §2.4), and they are what the next release is made of.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from typing import Final

from addons.providers.cursor.failures.diagnosis import Diagnosis
from addons.providers.cursor.failures.errors import ConnectError, CursorError

logger = logging.getLogger(__name__)

_VARIABLE = re.compile(r"\d+|…")


class Unfamiliar:
    """Remembers which were logged.

    Args:
        limit: how many are remembered; the oldest is forgotten, and would be logged again.
    """

    LIMIT: Final = 256

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._seen: OrderedDict[str, None] = OrderedDict()

    def line(self, error: CursorError | OSError, found: Diagnosis) -> str | None:
        """What to log; None: the error is familiar, or was logged. Free of private parts."""
        if found.familiar:
            return None
        text = described(error)
        key = _VARIABLE.sub("#", text)
        if key in self._seen:
            self._seen.move_to_end(key)
            return None
        self._seen[key] = None
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return f"an answer of Cursor that is not known, taken for {found.kind.value!r}: {text}"

    def log(self, error: CursorError | OSError, found: Diagnosis) -> None:
        """Log it if it is new."""
        line = self.line(error, found)
        if line is not None:
            logger.warning("%s", line)


def described(error: CursorError | OSError) -> str:
    """Code, message and details in one line."""
    if not isinstance(error, ConnectError):
        return str(error) if isinstance(error, CursorError) else type(error).__name__
    parts = [f"code {error.code}"]
    if error.http_status is not None:
        parts.append(f"HTTP {error.http_status}")
    if error.message:
        parts.append(f"message {error.message!r}")
    if error.inference_error:
        parts.append(f"inference error {error.inference_error!r}")
    for detail in error.details:
        words = [detail.type or "detail"]
        words += [detail.name] if detail.name else []
        words += [f"title {detail.title!r}"] if detail.title else []
        words += [f"detail {detail.detail!r}"] if detail.detail else []
        words += [f"expected={detail.expected}"] if detail.expected is not None else []
        words += [f"retryable={detail.retryable}"] if detail.retryable is not None else []
        parts.append(" ".join(words))
    return "; ".join(parts)
