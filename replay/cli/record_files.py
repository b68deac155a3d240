"""``floway record import`` and ``export``: traces from and to the files of other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from replay.cli.failure import FAILED, USAGE, CommandFailed


class Format(StrEnum):
    """What can be exported."""

    VCR = "vcr"
    HAR = "har"
    FLOW = "flow"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(import_)
    app.command()(export)


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="mitmproxy flow files, HARs, vcrpy cassettes."),
    ],
    client: Annotated[
        str, typer.Option(metavar="NAME", help="Who sent it; else from the user agent.")
    ] = "",
    release: Annotated[
        str, typer.Option(metavar="RELEASE", help="Its release; else from the user agent.")
    ] = "",
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="What it did; else the name of the file.")
    ] = "",
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Only requests to it; may be given several times."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Traces go to FOLDER/CLIENT/RELEASE/.")
    ] = Path("traces"),
) -> None:
    """Make traces of files of other tools: redacted, one for each file."""
    from fingerprints import trace_file
    from replay.interchange.errors import InterchangeError
    from replay.interchange.files import Labels, load

    for file in files:
        label = scenario or "".join(char if char.isalnum() else "-" for char in file.stem)
        try:
            trace = load(file, Labels(client, release, label, host or ()))
        except InterchangeError as error:
            raise CommandFailed(f"{file}: {error}") from None
        try:
            path = trace_file.write(trace, out)
        except OSError as error:
            raise CommandFailed(f"{out} cannot be written: {error.strerror}", FAILED) from None
        typer.echo(f"{path}  ({len(trace.exchanges)} requests)")


def export(
    traces: Annotated[
        list[Path], typer.Argument(metavar="TRACE…", help="Traces, or folders of traces.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write.")],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="vcr: a cassette for tests (.json: as JSON); har; flow: mitmproxy's.",
        ),
    ] = Format.VCR,
) -> None:
    """Write traces for other tools: what reached the upstreams, and what they answered."""
    from importlib.metadata import version

    from fingerprints import trace_file
    from fingerprints.errors import TraceError
    from replay.interchange import cassette, flows, har
    from replay.interchange.errors import InterchangeError

    try:
        read = [trace_file.read(file) for file in trace_file.find(traces)]
    except TraceError as error:
        raise CommandFailed(str(error), USAGE) from None
    left_out = 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        match format_:
            case Format.VCR:
                text, left_out = cassette.write(read, as_json=out.suffix == ".json")
                out.write_text(text, encoding="utf-8")
            case Format.HAR:
                out.write_text(har.write(read, version("floway")), encoding="utf-8")
            case Format.FLOW:
                flows.write(har.write(read, version("floway")), out)
    except InterchangeError as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"{out} cannot be written: {error.strerror}") from None
    count = sum(len(trace.upstream()) for trace in read) - left_out
    typer.echo(f"{out}  ({count} requests)")
    if left_out:
        typer.echo(f"{left_out} WebSockets and requests without an answer have no place in it")
