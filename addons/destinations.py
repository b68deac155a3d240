"""Where a request wants to go: to floway itself, to a host that a route names, or elsewhere."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from mitmproxy import http

from addons.driver import is_origin_form
from addons.settings import is_loopback


def is_own(flow: http.HTTPFlow) -> bool:
    """Whether the request is for floway itself (the base URL) and not for somebody else."""
    if is_origin_form(flow):
        return True
    host, port, *_ = flow.client_conn.sockname
    wanted = flow.request.host.lower().rstrip(".")
    return flow.request.port == port and (wanted == host or is_loopback(wanted))


def named_host(flow: http.HTTPFlow) -> str:
    """Host of a forward-proxied request, in lower case.

    It is the name in the TLS hello where the client goes to an address.
    """
    host, sni = flow.request.host.lower().rstrip("."), flow.client_conn.sni
    if sni and _is_address(host):
        return sni.lower().rstrip(".")
    return host


async def is_this_machine(host: str) -> bool:
    """Whether connecting to ``host`` would stay on this machine."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return False  # it cannot be connected to either
    return any(_is_local(str(entry[4][0]).partition("%")[0]) for entry in found)


def _is_local(address: str) -> bool:
    """An address of one of this machine's interfaces is one that a socket can be bound to."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return ip.is_loopback
    return True


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
