"""Upstreams, and the official client's releases."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from fingerprints import library
from fingerprints.errors import ProfileError
from fingerprints.library import load
from replay.doctor.finding import Finding, fault, note, ok, warning
from replay.record.errors import RecordError

SECONDS = 8.0
"""For each answer."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of asking an upstream.

    Attributes:
        date: its ``date`` header.
    """

    finding: Finding
    date: str | None = None


async def reachable(provider: str, url: str) -> Reached:
    """Whether an upstream answers at all; what it answers without a sign-in does not matter."""
    check = f"upstream {provider}"
    host = urlsplit(url).netloc
    try:
        # By the environment's proxy, as mitmproxy would not: but then a proxy is what is needed.
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            answer = await client.head(url)
    except httpx.ConnectError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Reached(
                fault(
                    check,
                    f"the certificate of {host} is not good here",
                    "another proxy opens this machine's traffic: name its authority with "
                    "--set ssl_verify_upstream_trusted_ca=FILE, or go round it",
                )
            )
        remedy = (
            "look at the network, its DNS and its firewall; behind another proxy, start floway "
        )
        remedy += "with -- --mode upstream:http://PROXY:PORT"
        return Reached(fault(check, f"{host} can't be reached", remedy))
    except httpx.HTTPError as error:
        told = f"{host} gave no answer within {SECONDS:.0f} s ({type(error).__name__})"
        return Reached(warning(check, told, "try again; look at the network if it stays so"))
    return Reached(ok(check, f"{host} answers"), answer.headers.get("date"))


type Newest = Callable[[], Awaitable[str]]
"""The newest official release.

Raises:
    RecordError: it can't be known.
"""


async def profile(chosen: str, client: str, newest: Newest | None) -> Finding:
    """The release that floway speaks for, beside the newest one.

    Args:
        chosen: the setting; "" for the newest shipped one.
        newest: None: nobody is asked.
    """
    try:
        used = load(chosen or f"{client}@latest")
    except ProfileError as error:
        return fault(
            "profile", str(error), "name one of `floway profiles list`, or learn it (floway learn)"
        )
    if used.client != client:
        return fault(
            "profile", f"{used.name} is no {client} profile", "name one of `floway profiles list`"
        )
    shipped = library.load(f"{client}@latest").release
    if _numbers(used.release) < _numbers(shipped):
        return warning(
            "profile",
            f"{used.name} is older than the newest one here, {shipped}",
            f"leave the setting profile out, or set it to {client}@{shipped}",
        )
    if newest is None:
        return note("profile", f"{used.name}; not compared with the newest release (--offline)")
    try:
        released = await newest()
    except RecordError as error:
        return note("profile", f"{used.name}; the newest release is not known: {error}")
    if _numbers(used.release) < _numbers(released):
        return warning(
            "profile",
            f"{used.name} is older than the newest official release, {released}",
            f"floway record {client} --version {released} --out traces, then floway learn traces "
            f"--out {client}-{released}.yaml, and set profile to that file",
        )
    return ok("profile", f"{used.name}, the newest official release")


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release)[:3])


def upstreams(given: Mapping[str, str], real: Mapping[str, str], used: set[str]) -> dict[str, str]:
    """Base URL of each provider that has accounts.

    Args:
        given: the setting ``upstreams``.
        real: of the providers themselves.
    """
    return {name: given.get(name) or url for name, url in real.items() if name in used}
