"""``scripts/bench``: measure floway against bare mitmdump and the upstream alone, in one run."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from replay.bench import profile
from replay.bench.bars import MEMORY_REQUESTS
from replay.bench.machine import this_machine
from replay.bench.measurement import Series
from replay.bench.profiler import MODES
from replay.bench.report import Report
from replay.bench.runner import CASES, MEMORY, Plan, Runner
from replay.bench.targets import DEFAULT_TARGETS, TARGETS, Target, Workshop
from replay.child import ProcessFailed

LEGS = ("http1", "h2")
_PROFILED_SECONDS = 5.0

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def bench(
    smoke: Annotated[
        bool, typer.Option(help="Everything once and briefly: do all answers come right?")
    ] = False,
    cases: Annotated[
        str, typer.Option(help=f"Comma list of {', '.join(CASES)}, {MEMORY}.")
    ] = ",".join((*CASES, MEMORY)),
    targets: Annotated[str, typer.Option(help=f"Comma list of {', '.join(TARGETS)}.")] = ",".join(
        DEFAULT_TARGETS
    ),
    rounds: Annotated[int | None, typer.Option(min=1, help="Turns of each target. [8]")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.05, help="Length of a turn. [1; with --profile 5]")
    ] = None,
    requests: Annotated[
        int, typer.Option(min=0, help="Most requests of a turn; 0: no limit but the time.")
    ] = 0,
    memory_requests: Annotated[
        int | None, typer.Option(min=10, help=f"Requests of the memory case. [{MEMORY_REQUESTS}]")
    ] = None,
    leg: Annotated[
        str, typer.Option(help="The proxies' upstream leg: http1 (plain) or h2 (TLS).")
    ] = "http1",
    model: Annotated[str, typer.Option(help="Model that the requests name.")] = "gpt-5.5",
    pin: Annotated[
        bool, typer.Option(help="Proxies on one core, load and upstream on the others.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            resolve_path=True,
            help="Another checkout of floway, measured in the same run.",
        ),
    ] = None,
    profiler: Annotated[
        str, typer.Option("--profile", help="In place of measuring: sample or calls.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="Functions that a profile shows.")] = 30,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the results here.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write a table for a README here.")
    ] = None,
) -> None:
    case_names = _names(cases, (*CASES, MEMORY), "--cases")
    chosen = [TARGETS[name] for name in _names(targets, tuple(TARGETS), "--targets")]
    if against is not None:
        chosen += _others(chosen, against)
    if leg not in LEGS:
        raise typer.BadParameter(f"{leg!r} is not one of {', '.join(LEGS)}", param_hint="--leg")
    if profiler and profiler not in MODES:
        words = ", ".join(MODES)
        raise typer.BadParameter(f"{profiler!r} is not one of {words}", param_hint="--profile")
    plan = Plan(
        cases=tuple(CASES[name] for name in case_names if name != MEMORY),
        targets=tuple(chosen),
        rounds=rounds or (1 if smoke else 8),
        seconds=seconds or (_PROFILED_SECONDS if profiler else 0.25 if smoke else 1.0),
        requests=requests,
        memory_requests=memory_requests or (100 if smoke else MEMORY_REQUESTS),
        warm_up=1 if smoke else 4,
        model=model,
        leg=leg,
        pin=pin,
    )
    console = Console(width=None if sys.stdout.isatty() else 180)
    progress = Console(stderr=True)
    machine = this_machine()
    console.print(str(machine), highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="floway-bench-") as folder:
        try:
            with Runner(plan, Workshop(Path(folder)), progress.print) as runner:
                if profiler:
                    failed = _profile(runner, profiler, top, Path(folder), console)
                else:
                    results = runner.matrix()
                    if MEMORY in case_names:
                        runner.memory(results)
                    failed = results.failed + len(results.faults)
        except (ProcessFailed, ValueError) as error:
            console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None
    if not profiler:
        report = Report(machine, plan, results)
        for part in report.tables():
            console.print(part)
        if json_file is not None:
            json_file.write_text(json.dumps(report.document(), indent=1) + "\n")
        if markdown is not None:
            markdown.write_text(report.markdown())
    if failed:
        console.print(f"{failed} answers or cases were not right; see above", style="red")
        raise typer.Exit(1)


def _names(words: str, known: tuple[str, ...], option: str) -> list[str]:
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"{name!r} is not one of {', '.join(known)}", param_hint=option
            )
    if not names:
        raise typer.BadParameter("needs at least one name", param_hint=option)
    return list(dict.fromkeys(names))


def _others(targets: list[Target], checkout: Path) -> list[Target]:
    try:
        return [target.of(checkout) for target in targets if target.proxy == "floway"]
    except FileNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--against") from None


def _profile(runner: Runner, mode: str, top: int, folder: Path, console: Console) -> int:
    """Profile each chosen floway target in each chosen case; how many answers failed."""
    failed = 0
    for target in runner.plan.targets:
        if target.proxy == "none":
            continue
        for case in runner.plan.cases:
            file = folder / f"{target.name}-{case.name}.json"
            turn = runner.profiled(case, target, mode, file)
            series = Series([turn])
            console.rule(f"{target.title}: {case.title}; {turn.answered} answers")
            for table in profile.tables(profile.read(file), series.processor, top):
                console.print(table)
            failed += turn.failed
            for reason in turn.reasons:
                console.print(reason, style="red", markup=False)
    return failed
