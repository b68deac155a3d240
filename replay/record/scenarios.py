"""What is recorded: scenarios as data, and the conditions under which each runs. No I/O.

A scenario is a list of steps; a step is one start of the client. What a recording must show is part
of it, so that a run in which the client did something else is a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fingerprints.trace import Conditions, Exchange, Payload, Trace

type Feature = Literal["resume", "review", "fork", "terminal"]
"""What a release may lack; drivers find out by trying."""

OTHER = "other"
"""As a case's model: the one whose body shape the default model does not have."""

GREETING = "Say hello."
MORE = "And once more."


@dataclass(frozen=True, slots=True)
class Step:
    """One start of the client.

    Attributes:
        way: ``exec`` and ``resume``, ``fork`` take one prompt; ``review`` none; ``terminal`` types
            each of them in the terminal UI, and ``terminal_fork`` forks there.
    """

    way: Literal["exec", "resume", "fork", "review", "terminal"]
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Under which conditions a scenario runs; see :class:`fingerprints.trace.Conditions`.

    Attributes:
        model: "" for the client's default, or :data:`OTHER`.
    """

    transport: Literal["http", "websocket"] = "http"
    model: Literal["", "other"] = ""
    http: Literal["HTTP/1.1", "HTTP/2.0"] = "HTTP/2.0"
    git: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to do, and what must be seen.

    Attributes:
        about: for people.
        sign_in, state: the sign-in, and what is the matter with it: ``expired``: the client's own
            tokens are past their time; ``refused``: the upstream answers 401 to them.
        settings: ``NAME=VALUE`` of the client's configuration.
        tools: the client may write in its working folder, so that tools run.
        changes: the working folder has changes that no commit has; needs a git repository.
        requests: model requests that must be answered, at least (prewarms do not count).
        calls: paths that must be called, without query.
        output: a tool's output must be sent back.
        instead: another way to the same, for releases where this one does not show it.
    """

    name: str
    about: str
    steps: tuple[Step, ...]
    cases: tuple[Case, ...]
    needs: frozenset[Feature] = frozenset()
    sign_in: Literal["chatgpt", "api_key"] = "chatgpt"
    state: Literal["good", "expired", "refused"] = "good"
    settings: tuple[str, ...] = ()
    tools: bool = False
    changes: bool = False
    requests: int = 1
    calls: tuple[str, ...] = ()
    output: bool = False
    surface: str = field(default="exec")
    instead: Scenario | None = None


def _cases(*transports: str, other: bool = True, git: bool = False) -> tuple[Case, ...]:
    models: tuple[Literal["", "other"], ...] = ("", "other") if other else ("",)
    return tuple(
        Case("websocket" if transport == "websocket" else "http", model, git=git)
        for transport in transports
        for model in models
    )


_BOTH = ("http", "websocket")
_RUN = "Run it. [[run echo recorded-$((6*7))]]"

_LONG = f"{GREETING} [[tokens 150000 once]]"
_COMPACTION = Scenario(
    "compaction",
    "an answer that fills the context, automatic compaction, and the turn after it",
    (Step("exec", (_LONG,)), Step("resume", (MORE,))),
    _cases(*_BOTH),
    needs=frozenset({"resume"}),
    settings=("model_auto_compact_token_limit=100000",),
    requests=3,
)

CODEX: tuple[Scenario, ...] = (
    Scenario(
        "turn",
        "one prompt, one answer",
        (Step("exec", (GREETING,)),),
        (
            *_cases(*_BOTH),
            *_cases(*_BOTH, other=False, git=True),
            Case(http="HTTP/1.1"),
        ),
    ),
    Scenario(
        "resume",
        "a second prompt in a second start",
        (Step("exec", (GREETING,)), Step("resume", (MORE,))),
        _cases(*_BOTH, other=False),
        needs=frozenset({"resume"}),
        requests=2,
    ),
    Scenario(
        "tool",
        "a command that the model asks for is run, and its output sent back",
        (Step("exec", (_RUN,)),),
        _cases(*_BOTH),
        tools=True,
        requests=2,
        output=True,
    ),
    replace(
        _COMPACTION,
        # Some releases forget the size of a conversation when it is resumed.
        instead=replace(
            _COMPACTION,
            steps=(Step("terminal", (_LONG, MORE)),),
            needs=frozenset({"terminal"}),
            surface="tui",
        ),
    ),
    Scenario(
        "review",
        "a review of uncommitted changes by a sub-agent",
        (Step("review"),),
        _cases(*_BOTH, git=True),
        needs=frozenset({"review"}),
        changes=True,
    ),
    Scenario(
        "fork",
        "a prompt in a fork of a conversation",
        (Step("exec", (GREETING,)), Step("fork", (MORE,))),
        _cases(*_BOTH, other=False),
        needs=frozenset({"fork"}),
        requests=2,
    ),
    Scenario(
        "tui",
        "two turns in the terminal UI",
        (Step("terminal", (GREETING, MORE)),),
        (*_cases(*_BOTH), *_cases("http", other=False, git=True)),
        needs=frozenset({"terminal"}),
        requests=2,
        surface="tui",
    ),
    Scenario(
        "api-key",
        "a turn with a tool call, signed in with an API key",
        (Step("exec", (_RUN,)),),
        _cases(*_BOTH),
        sign_in="api_key",
        tools=True,
        requests=2,
        output=True,
    ),
    Scenario(
        "refresh",
        "the upstream answers 401, the client refreshes its tokens and goes on",
        (Step("exec", (GREETING,)),),
        _cases(*_BOTH, other=False),
        state="refused",
        calls=("/oauth/token",),
    ),
    Scenario(
        "expired",
        "the client finds its tokens expired and refreshes them first",
        (Step("exec", (GREETING,)),),
        _cases("http", other=False),
        state="expired",
        calls=("/oauth/token",),
    ),
)


def conditions(scenario: Scenario, case: Case, other: str) -> Conditions:
    """What a trace says of its conditions.

    Args:
        other: slug that stands for :data:`OTHER`.
    """
    return Conditions(
        transport=case.transport,
        sign_in=scenario.sign_in,
        surface=scenario.surface,
        model=other if case.model == OTHER else "",
        http=case.http,
        git=case.git,
    )


def label(case: Case) -> str:
    """A case in a few words: ``http, other model, git``."""
    words: list[str] = [case.transport]
    words += ["other model"] if case.model == OTHER else []
    words += [case.http] if case.http == "HTTP/1.1" else []
    words += ["git"] if case.git else []
    return ", ".join(words)


# --- what a recording must show ------------------------------------------------------------------

_COMPACT = "/responses/compact"
_MODEL_PATHS = ("/responses", _COMPACT)
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})


def is_model_path(exchange: Exchange) -> bool:
    """Whether a request goes to a model: an answer, a compaction, or a WebSocket for these."""
    return exchange.path.partition("?")[0].endswith(_MODEL_PATHS)


def speaks_websocket(trace: Trace) -> bool:
    """Whether the client asked for a WebSocket for its model requests."""
    return any(each.is_upgrade and is_model_path(each) for each in trace.exchanges)


def model_requests(trace: Trace, transport: Literal["http", "websocket"]) -> list[Payload]:
    """Bodies of the answered model requests of a transport, without prewarms, in order."""
    found: list[Payload] = []
    for each in trace.exchanges:
        if not is_model_path(each) or each.answer is None:
            continue
        # Some releases compact over HTTP even while they speak WebSocket.
        compact = each.path.partition("?")[0].endswith(_COMPACT)
        if transport == "websocket" and each.is_upgrade and each.answer.status == 101:
            found += [message.payload for message in each.sent() if _is_request(message.payload)]
        elif each.body is not None and each.answer.status == 200:
            found += [each.body] if compact or transport == "http" else []
    return found


def problems(trace: Trace, scenario: Scenario, case: Case) -> list[str]:
    """Why a trace does not show what its scenario is for; empty when it does."""
    found = []
    bodies = model_requests(trace, case.transport)
    if len(bodies) < scenario.requests:
        found.append(
            f"{scenario.requests} answered model requests over {case.transport} were expected, "
            f"{len(bodies)} are there"
        )
    called = {each.path.partition("?")[0] for each in trace.exchanges}
    found += [f"{path} was not called" for path in scenario.calls if path not in called]
    if scenario.output and not any(_has_output(body) for body in bodies):
        found.append("no tool's output was sent back")
    return found


def _is_request(payload: Payload) -> bool:
    data = payload.data
    return (
        isinstance(data, dict)
        and data.get("type") == "response.create"
        and data.get("generate") is not False
    )


def _has_output(payload: Payload) -> bool:
    items = payload.data.get("input") if isinstance(payload.data, dict) else None
    return any(isinstance(item, dict) and item.get("type") in _OUTPUTS for item in items or ())


def select(known: Sequence[Scenario], names: Sequence[str]) -> tuple[Scenario, ...]:
    """The named scenarios in their usual order; all without names.

    Raises:
        ValueError: there is no such scenario; the message says which there are.
    """
    unknown = sorted(set(names) - {scenario.name for scenario in known})
    if unknown:
        there = ", ".join(scenario.name for scenario in known)
        raise ValueError(f"no scenario is called {', '.join(unknown)}; there are: {there}")
    return tuple(scenario for scenario in known if not names or scenario.name in names)
