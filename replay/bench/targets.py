"""What is measured: the upstream alone, bare mitmdump, floway in its ways; and how each is started.

Every proxy runs in regular mode with the same mitmproxy options, and clients name it as their base
URL, so that what differs is the addons.
"""

from __future__ import annotations

import base64
import importlib.util
import ipaddress
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mitmproxy.certs import CertStore

PROVIDER = "codex"
UPSTREAM_PATH = "/backend-api/codex/responses"

ACCOUNT = "0be9c000-0000-4000-8000-000000000001"
"""Account id of the targets without failover."""
FAILOVER_MARKER = "0be9c429"
FAILOVER_ACCOUNTS = tuple(f"{FAILOVER_MARKER}-0000-4000-8000-{n:012x}" for n in (1, 2))
"""Account ids of the failover target; the upstream refuses the one that answered last."""


def _module_file(name: str) -> Path:
    specification = importlib.util.find_spec(name)
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed as files")
    return Path(specification.origin)


CHECKOUT = _module_file("addons").parents[1]
"""This floway."""

MITMPROXY_OPTIONS: Mapping[str, str] = {
    "connection_strategy": "lazy",
    "upstream_cert": "false",
    "flow_detail": "0",
    "termlog_verbosity": "warn",
}
"""Options that every proxy is started with: what floway sets itself, and no line per request."""


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the tables.

    Attributes:
        proxy: ``none``, ``bare``, ``reverse`` or ``floway``.
        protocol: what clients speak to it: ``responses`` or ``chat``.
        path: where model requests go.
        failover: the upstream refuses each request once, and refused accounts do not cool.
    """

    name: str
    title: str
    proxy: str
    protocol: str = "responses"
    path: str = UPSTREAM_PATH
    failover: bool = False
    checkout: Path = CHECKOUT
    """Where floway's code is taken from."""

    def of(self, checkout: Path) -> Target:
        """The same target with another checkout's code, to compare two states of floway.

        Raises:
            FileNotFoundError: no floway is there.
        """
        other = replace(
            self,
            name=f"{self.name}@{checkout.name}",
            title=f"{self.title} @ {checkout.name}",
            checkout=checkout,
        )
        if not other.script.is_file():
            raise FileNotFoundError(f"there is no {other.script}")
        return other

    @property
    def script(self) -> Path:
        """floway as a script for mitmproxy."""
        if self.failover:
            return self.checkout / "replay" / "bench" / "uncooled.py"
        return self.checkout / "addons" / "floway.py"


TARGETS = {
    target.name: target
    for target in (
        Target("direct", "upstream alone", "none"),
        Target("bare", "bare mitmdump", "bare"),
        Target("reverse", "mitmdump --mode reverse, no script", "reverse"),
        Target("responses", "floway, responses", "floway", path="/v1/responses"),
        Target("chat", "floway, chat completions", "floway", "chat", "/v1/chat/completions"),
        Target(
            "failover",
            "floway, a failover in every request",
            "floway",
            path="/v1/responses",
            failover=True,
        ),
    )
}
DEFAULT_TARGETS = ("direct", "bare", "responses", "chat", "failover")
BASE = "bare"
"""The target that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a proxy; ``environment`` is added to this process's."""

    command: tuple[str, ...]
    environment: dict[str, str]


class Workshop:
    """Files of a run: certificate authority, the upstream's certificate, floway's homes.

    Args:
        folder: an empty folder; it must outlive the processes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority = folder / "mitmproxy"
        store = CertStore.from_store(self._authority, "mitmproxy", 2048)
        address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
        entry = store.get_cert("bench upstream", [address])
        key = entry.privatekey.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        self.certificate = folder / "upstream.pem"
        self.certificate.write_bytes(key + entry.cert.to_pem())

    def launch(
        self, target: Target, port: int, upstream: str, runner: Sequence[str] = ()
    ) -> Launch:
        """How ``target`` is started.

        Args:
            upstream: its origin, e.g. ``http://127.0.0.1:1``.
            runner: words that take the place of ``mitmdump``.
        """
        trusted = str(self._authority / "mitmproxy-ca-cert.pem")
        options = {
            **MITMPROXY_OPTIONS,
            "confdir": str(self._authority),
            "ssl_verify_upstream_trusted_ca": trusted,
            "listen_host": "127.0.0.1",
            "listen_port": str(port),
        }
        arguments = [
            word for name, value in options.items() for word in ("--set", f"{name}={value}")
        ]
        environment: dict[str, str] = {}
        match target.proxy:
            case "bare":
                arguments += ["-s", str(_module_file("replay.bench.bare"))]
                arguments += ["--set", f"bench_upstream={upstream}"]
            case "reverse":
                arguments += ["--mode", f"reverse:{upstream}", "--set", "stream_large_bodies=1"]
            case "floway":
                arguments += ["-s", str(target.script)]
                environment["FLOWAY_HOME"] = str(self._home(target, upstream))
                environment["PYTHONPATH"] = str(target.checkout)
                # What floway asks the upstream by itself (models, say) does not go through
                # mitmproxy and does not know its option.
                environment["SSL_CERT_FILE"] = trusted
            case other:
                raise ValueError(f"{other!r} is not started")
        mitmdump = str(Path(sys.executable).with_name("mitmdump"))
        return Launch((*(runner or (mitmdump,)), *arguments), environment)

    def _home(self, target: Target, upstream: str) -> Path:
        """A floway home with made-up accounts at the bench's upstream."""
        home = self.folder / f"home-{target.name}"
        home.mkdir(exist_ok=True)
        accounts = FAILOVER_ACCOUNTS if target.failover else (ACCOUNT,)
        lines = ["[upstreams]", f"{PROVIDER} = {json.dumps(upstream)}"]
        for number, account in enumerate(accounts, 1):
            file = home / f"account-{number}.json"
            file.write_text(json.dumps(sign_in(account), indent=2))
            file.chmod(0o600)
            lines += [
                "",
                "[[accounts]]",
                f'provider = "{PROVIDER}"',
                f'label = "bench-{number}"',
                f"auth_file = {json.dumps(str(file))}",
            ]
        (home / "floway.toml").write_text("\n".join(lines) + "\n")
        return home


def sign_in(account: str) -> dict[str, object]:
    """A made-up sign-in file of a ChatGPT account, valid for a day (codex-wire.md §5.1, §5.2)."""
    now = datetime.now(UTC)
    claims = {
        "exp": int((now + timedelta(days=1)).timestamp()),
        "email": "bench@example.invalid",
        "https://api.openai.com/auth": {
            "chatgpt_plan_type": "plus",
            "chatgpt_user_id": f"user-{account}",
            "chatgpt_account_id": account,
        },
    }
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": _unsigned(claims),
            "access_token": _unsigned(claims),
            "refresh_token": f"made-up-{account}",
            "account_id": account,
        },
        "last_refresh": now.isoformat().replace("+00:00", "Z"),
    }


def _unsigned(claims: Mapping[str, object]) -> str:
    def part(value: Mapping[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}.bench"
