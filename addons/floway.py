"""The script for ``mitmdump -s``: builds the addon list, nothing else.

The one module that knows all rooms: it is the place where providers, the store and the sandbox
meet. (It may import ``replay``: the embedded sandbox and the words of the banner live there.)
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence

from addons import lean  # noqa: F401  (before whatever else imports what it spares)
from addons.accounts.credentials.vault import Vault
from addons.configuration import Configuration
from addons.control import Control
from addons.debug.capture_sides import SideCapture
from addons.debug.client_side import ClientSide
from addons.debug.commands import Commands
from addons.debug.replaying import Replays
from addons.debug.ring import Ring
from addons.debug.timeline import Timeline
from addons.debug.views.contentviews import Views, shipped
from addons.debug.witness import show_attempt
from addons.errors import FlowayError
from addons.gateway import Gateway
from addons.launch import Launch, Upstreams, own_address
from addons.logbook import Logbook
from addons.measuring import Measuring
from addons.operate.metrics import Metrics
from addons.operate.observer import Observer
from addons.operate.roster import Authorities
from addons.providers.codex.authority import CodexAuthority
from addons.providers.codex.lens import RequestLens
from addons.providers.codex.provider import CodexProvider
from addons.providers.contract import Provider
from addons.providers.cursor.lens import ConnectLens
from addons.providers.cursor.provider import CursorProvider
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.settings import Settings
from addons.store.contract import Store
from addons.store.sqlite import SqliteStore
from fingerprints.profile import Profile

_MADE = (CodexProvider, CursorProvider)
"""The first one serves the models that no other one claims."""

PROVIDERS = tuple(made.name for made in _MADE)

AUTHORITIES: Authorities = {
    CodexAuthority.provider: CodexAuthority,
    CursorAuthority.provider: CursorAuthority,
}
"""Of the providers whose accounts can be added while floway runs."""


COLLECTED_AT = 20_000
"""Objects that may be made, and be alive, between two rounds of the garbage collector."""


async def open_store(settings: Settings) -> Store:
    return await SqliteStore.open(settings.database)


async def start_sandbox(settings: Settings) -> Upstreams:
    # Imported here: who has accounts never needs it, and it costs a tenth of the memory.
    from replay.sandbox.embedded import EmbeddedSandbox

    try:
        return await EmbeddedSandbox.start(
            settings.home / "sandbox",
            port=settings.sandbox_port,
            tls_port=settings.sandbox_tls_port,
            gate=settings.profile or "newest",
        )
    except ValueError as error:
        raise FlowayError(f"profile: {error}") from error
    except OSError as error:
        raise FlowayError(
            f"the sandbox (settings home, sandbox_port, sandbox_tls_port): {error}"
        ) from error


def build_providers(
    settings: Settings, store: Store | None = None, sandbox: Upstreams | None = None
) -> Sequence[Provider]:
    """All providers. Without a store nothing is kept (``floway routes`` needs no store).

    Raises:
        FlowayError: an account can't be used, or a setting names a provider that does not exist.
    """
    named = {"accounts": [entry.provider for entry in settings.accounts]}
    named["upstreams"] = list(settings.upstreams)
    for setting, names in named.items():
        for name in names:
            if name not in PROVIDERS:
                known = ", ".join(PROVIDERS)
                raise FlowayError(f"{setting}: there is no provider {name!r}; known: {known}")
    if sandbox is None:
        return [made.of_settings(settings, store) for made in _MADE]
    return [
        made.of_sandbox(
            settings, store, sandbox.url, str(sandbox.ca_file), sandbox.sign_ins(made.name)
        )
        for made in _MADE
    ]


def has_added(settings: Settings) -> bool:
    """Whether accounts were added; blocking.

    Raises:
        FlowayError: a sign-in can't be used, or others can read it.
    """
    Vault(settings.credentials, settings.credential_store).check()
    return bool(_added(settings))


def _added(settings: Settings) -> list[str]:
    """Names for people of the accounts that were added."""
    sheets = Vault(settings.credentials, settings.credential_store).sheets()
    found = [sheet.document for sheet in sheets if sheet.document.provider in PROVIDERS]
    return [f"{document.shown} ({document.provider})" for document in found]


def announce(settings: Settings, address: str, sandbox: Upstreams | None) -> None:
    """Tell the user where to point clients."""
    from replay.cli.banner import announce as show

    if sandbox is None:
        show(settings, address, sandbox=None, added=_added(settings))
    else:
        show(settings, address, sandbox=sandbox.control_url)
    sys.stdout.flush()


def keep_for_good() -> None:
    """Take what there is after the start out of the garbage collector's rounds: it stays as long
    as floway runs, and each full round looked at all of it (measured: 0.1 s).

    Rounds are fewer, too: requests leave nothing behind that only the collector could find.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AT)


def profile_named(name: str) -> Profile | None:
    """A shipped profile, or the one of the settings."""
    own = configuration.settings.profile
    found = shipped(name)
    if found is None and own and (used := shipped(own)) is not None and used.name == name:
        return used
    return found


configuration = Configuration()
gateway = Gateway(show_attempt)
capture = SideCapture(lambda: configuration.settings)
observer = Observer(Metrics())
logbook = Logbook(lambda: configuration.settings)
timeline = Timeline(lambda: configuration.settings, lambda: logbook.mask.redactor())
replays = Replays(own_address)
control = Control(lambda: configuration.settings, AUTHORITIES, observer)

addons = [
    configuration,
    replays,
    control,
    capture.before,
    timeline.before,
    ClientSide(lambda: int(configuration.settings.client_keep_bytes)),
    gateway,
    capture,
    timeline,
    Measuring(observer),
    logbook,
    Views([RequestLens(), ConnectLens()], profile_named),
    Commands(profile_named, lambda: control.desk, lambda: control.operated, time.time, replays),
    Ring(lambda: int(configuration.settings.list_keep_bytes)),
    Launch(
        configuration,
        gateway,
        open_store=open_store,
        start_sandbox=start_sandbox,
        build_providers=build_providers,
        announce=announce,
        has_added=has_added,
        control=control,
        started=keep_for_good,
    ),
]
