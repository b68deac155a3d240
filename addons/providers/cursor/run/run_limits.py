"""How long a run may take for what. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Seconds each; the facts behind them are in cursor-protocol.md §4.9.

    Attributes:
        heartbeat: between two heartbeats of ours.
        exec_heartbeat: between two signs of life for a tool call that the client works on.
        first_frame: until the first message comes. The official client waits as long.
        silence: without any message. Servers send heartbeats while a model thinks.
        progress: with heartbeats and nothing else: models may think for minutes.
        stuck_exec: as ``progress``, after a request of the server's own was refused: it may not be
            able to go on.
        parked: for which a run waits for the results of tool calls.
        siblings: after a tool call, without a sign that the model still writes, until the call is
            taken to be the last one.
        announced_siblings: the same while the server has spoken of a further one.
        drain: after the end of a turn, for what comes late: a checkpoint, an error.
    """

    heartbeat: float = 5.0
    exec_heartbeat: float = 3.0
    first_frame: float = 30.0
    silence: float = 30.0
    progress: float = 180.0
    stuck_exec: float = 45.0
    parked: float = 300.0
    siblings: float = 0.05
    announced_siblings: float = 1.5
    drain: float = 0.5
