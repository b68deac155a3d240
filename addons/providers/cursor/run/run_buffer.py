"""Outputs of a run on their way to a client: in order, neighbouring pieces of text made one."""

from __future__ import annotations

import asyncio
from collections import deque

from addons.providers.cursor.run.run_outputs import ResponseOutput, Text, Thinking

FULL = 64 * 1024
"""Characters from which the upstream is not read any further."""

_PLENTY = 2048
"""Characters that are worth an event of their own at once."""


class RunBuffer:
    """What came and was not taken yet.

    Attributes:
        characters: of all texts in it.
        arrived: set while there is something in it.
        urgent: set while there is something in it that should not wait for more text.
    """

    def __init__(self) -> None:
        self.characters = 0
        self.arrived = asyncio.Event()
        self.urgent = asyncio.Event()
        self._outputs: deque[ResponseOutput] = deque()
        self._others = 0  # outputs in it that are no text

    def __len__(self) -> int:
        return len(self._outputs)

    @property
    def full(self) -> bool:
        return self.characters >= FULL

    def push(self, output: ResponseOutput) -> None:
        """Add at the end."""
        self._outputs.append(output)
        if isinstance(output, Text | Thinking):
            self.characters += len(output.text)
        else:
            self._others += 1
        self.arrived.set()
        if self._others or self.characters >= _PLENTY:
            self.urgent.set()

    def first(self) -> ResponseOutput:
        """The next one, which stays."""
        return self._outputs[0]

    def take(self) -> ResponseOutput:
        """The next one; texts of a kind that follow each other come as one."""
        output = self._outputs.popleft()
        if isinstance(output, Text | Thinking):
            kind = type(output)
            pieces = [output.text]
            while self._outputs and type(self._outputs[0]) is kind:
                following = self._outputs.popleft()
                assert isinstance(following, Text | Thinking)
                pieces.append(following.text)
            output = kind("".join(pieces))
            self.characters -= len(output.text)
        else:
            self._others -= 1
        if not self._outputs:
            self.arrived.clear()
        if not self._others and self.characters < _PLENTY:
            self.urgent.clear()
        return output
