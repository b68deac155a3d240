"""What floway says when it is ready: where it is, what it serves, how to point clients at it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from addons.settings import Settings
from replay.cli.clients import Facts, curl_line, setups

logger = logging.getLogger("floway")
"""Not below ``replay``: the banner is shown whatever ``log_level`` says."""


def banner(facts: Facts) -> str:
    """The text, without a newline at its end."""
    if facts.sandbox_url is not None:
        serving = [
            "Serving the built-in sandbox: made-up accounts and answers, nothing leaves this"
            " machine.",
            f"Its faults and what it received: {facts.sandbox_url}/_sandbox/",
        ]
    else:
        names = ", ".join(facts.accounts)
        serving = [f"Serving {len(facts.accounts)} account(s): {names}"]
    lines = [
        f"floway {facts.version} is ready: {facts.base_url}",
        *(f"  {line}" for line in serving),
        "Try it:",
        f"  {curl_line(facts)}",
        "Clients (`floway clients` explains each):",
    ]
    for setup in setups(facts):
        lines.append(f"  {setup.title}")
        lines += [f"    {line}" for line in setup.short]
    return "\n".join(lines)


def announce(
    settings: Settings, address: str, *, sandbox: str | None, added: Sequence[str] = ()
) -> None:
    """Log the banner of a floway that is listening.

    Args:
        address: where clients reach it, e.g. ``http://127.0.0.1:8080``.
        sandbox: the embedded sandbox's URL for ``/_sandbox/``, or None.
        added: names of the accounts that were added with the command line.
    """
    facts = Facts(
        address=address,
        sandbox_url=sandbox,
        accounts=(
            *(f"{entry.label} ({entry.provider})" for entry in settings.accounts),
            *added,
        ),
        key_needed=bool(settings.client_keys),
    )
    # The first line of a log entry carries the time; the text begins below it.
    logger.info("\n%s", banner(facts))
