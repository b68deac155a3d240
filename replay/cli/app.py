"""The commands and their options. What they do is imported when they run, so that help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from replay.cli import (
    accounts,
    control_commands,
    learning_commands,
    logs,
    record,
    record_clients,
    record_files,
    report_commands,
    session_commands,
    timeline,
)

EXIT_CODES: Final = "Exit codes: 0 done, 1 could not be done, 2 a wrong option or setting."

app = typer.Typer(
    help="mitmproxy addons that give AI coding clients one local port.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,  # they may hold secrets
)


@app.command()
def run(
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0: any.")
    ] = 8080,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; any but a loopback one needs client keys.",
        ),
    ] = "127.0.0.1",
    web: Annotated[bool, typer.Option("--web", help="Start mitmweb in place of mitmdump.")] = False,
    web_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Port of mitmweb's own pages.")
    ] = 8081,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Serve the sandbox, even with accounts configured.")
    ] = False,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Fingerprint profile; empty: the provider's own.")
    ] = "",
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- MITMPROXY ARGUMENTS]", help="Go to mitmproxy as they are."),
    ] = None,
) -> None:
    """Start floway, and say how to point clients at it."""
    from replay.cli.proxy import Start, start

    chosen = Start(
        port=port,
        host=host,
        web_port=web_port if web else None,
        sandbox=sandbox,
        profile=profile,
        arguments=tuple(arguments or ()),
    )
    start(chosen)


@app.command()
def sandbox(
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Port of the plain HTTP/1.1 listener; 0: any."
        ),
    ] = 8090,
    tls_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Port of the TLS and HTTP/2 listener; 0: any."
        ),
    ] = 0,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
) -> None:
    """Run the sandbox upstream alone, for tests of your own."""
    from replay.cli.standalone import serve_sandbox

    serve_sandbox(host, port, tls_port)


@app.command()
def routes(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show which requests floway takes, and where they go."""
    from replay.cli.tables import show_routes

    show_routes(as_json=as_json)


@app.command()
def config(
    init: Annotated[
        bool, typer.Option("--init", help="Write a floway.toml in which everything is commented.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show the settings in force and where each comes from; secrets are masked."""
    from replay.cli.tables import show_settings
    from replay.cli.template import write_template

    if init:
        write_template()
    else:
        show_settings(as_json=as_json)


@app.command()
def clients(
    name: Annotated[
        str | None, typer.Argument(help="One of them: openai, opencode, codex, claude.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="PORT", help="Port that floway has.")
    ] = 8080,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address that floway has.")
    ] = "127.0.0.1",
) -> None:
    """Explain how to point a client at floway."""
    from replay.cli.tables import show_clients

    show_clients(f"http://{host}:{port}", name)


@app.command("setup")
def set_up(
    client: Annotated[
        str, typer.Argument(help="One of them: opencode, claude-code, codex, openai-sdk.")
    ],
    write: Annotated[
        bool, typer.Option("--write", help="Write them into the client's file, with a backup.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back what was written; later changes stay.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Another file than the client's own for your account."),
    ] = None,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Address of floway; empty: of the one that runs.")
    ] = "",
) -> None:
    """Print the settings that make a client use floway; write them, or take them back."""
    from replay.cli.setup import setup

    setup(client, address=url.rstrip("/"), write=write, undo=undo, file=file)


@app.command(
    epilog="Exit codes: 0 nothing is at fault, 1 something is, 2 a wrong option.",
)
def doctor(
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="PORT", help="Port that floway is to have.")
    ] = 8080,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address that floway is to have.")
    ] = "127.0.0.1",
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody outside this machine.")
    ] = False,
    selftest: Annotated[
        bool, typer.Option("--selftest/--no-selftest", help="Send a request through the sandbox.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Look for what stands in the way of a floway that works, and say what to do about it."""
    from replay.cli.doctor import doctor as run
    from replay.doctor.examination import Wish

    wish = Wish(host=host, port=port, offline=offline, selftest=selftest)
    raise typer.Exit(run(wish, as_json=as_json))


@app.command()
def version() -> None:
    """Show the versions of floway and of what it stands on."""
    from replay.cli.tables import show_versions

    show_versions()


learning_commands.register(app)
logs.register(app)
timeline.register(app)
report_commands.register(app)
session_commands.register(app)
record_files.register(record.record_app)
record_clients.register(record.record_app)
app.add_typer(record.record_app, name="record")
app.add_typer(accounts.accounts_app, name="accounts")
control_commands.register(app)
