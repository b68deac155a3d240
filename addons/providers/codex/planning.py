"""Upstream requests, built from the profile, an identity and an account. No I/O.

Which headers, members and names there are is the profile's business; here is only what they are
filled with.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.codex import continuity, parameters, projection
from addons.providers.codex.endpoints import (
    Endpoints,
    assembled,
    credential_roles,
    header_version,
    sign_in_of,
    speaks_http2,
)
from addons.providers.codex.environment import Environment
from addons.providers.codex.identity import Identity
from addons.providers.codex.models import Model, fitting_effort, shape_of
from addons.providers.codex.parameters import LearnedParameters
from addons.providers.codex.shape import Moved, bring, moved, restore
from addons.providers.codex.upstream import Upstream
from addons.providers.contract import UpstreamRequest
from fingerprints import apply
from fingerprints.item_forms import item_forms
from fingerprints.library import load
from fingerprints.matchers import Enum
from fingerprints.profile import Profile, Transport
from fingerprints.roles import Json
from fingerprints.serial import dumps

DEFAULT_PROFILE = "codex@latest"

ORIGINATOR = "codex_exec"
"""Surface for callers that are not the official client: one request, one answer, no screen."""


@dataclass(slots=True)
class Shaped:
    """A caller's body on its way upstream, and the way back.

    Attributes:
        shape: name of the body shape.
        content: the body in that shape, what the upstream refuses left out.
        moved: set once the body is assembled.
        notes: what was left out or overridden, and why.
    """

    shape: str
    caller: Mapping[str, Any]
    content: dict[str, Any]
    moved: Moved | None
    notes: list[str]

    def restore(self, response: dict[str, Any]) -> bool:
        """Put the caller's own values back into a response object; True when it changed."""
        return self.moved is not None and restore(response, self.moved)


OF_OFFICIAL: Final = ("x-codex-", "x-openai-", "ws_request_header_")
"""Beginnings of ``client_metadata`` names that are official clients' alone (codex-wire.md §2.4)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf, and as which surface of the client."""

    account: Account
    installation: str
    originator: str


class Planner:
    """Builds requests for one upstream in the form of one profile."""

    def __init__(self, upstream: Upstream, profile: str, environment: Environment) -> None:
        """
        Raises:
            ProfileError: there is no such profile, or it can't be applied.
        """
        self.upstream = upstream
        self.profile: Profile = load(profile or DEFAULT_PROFILE)
        apply.precompile(self.profile)
        for shape in self.profile.shapes:
            item_forms(self.profile, shape)
        self._machine = projection.of_machine(environment)
        self._client_metadata = self.profile.members("client_metadata")
        self._surfaces = _surfaces(self.profile)
        self._endpoints = Endpoints(upstream, self.profile)

    # --- bodies ------------------------------------------------------------------------------

    def shape(
        self,
        body: dict[str, Any],
        identity: Identity,
        account: Account,
        learned: LearnedParameters,
        models: Sequence[Model],
        now: float,
        *,
        websocket: bool = False,
        previous: str = "",
        caller: Mapping[str, Any] | None = None,
    ) -> Shaped:
        """Bring a caller's body to the shape of its model, without what the upstream refuses.

        Args:
            websocket: it is a message on a WebSocket, not a request of its own.
            previous: see :func:`addons.providers.codex.shape.bring`.
            caller: what the caller sent, where ``body`` has more or less than that.

        Raises:
            ClientError: a member can't be sent; names it and the remedy.
        """
        name = self._shape_of(str(body.get("model", "")), models)
        placement = self.profile.shapes[name]
        content, notes = parameters.apply(
            continuity.without_keys(body), _table(account, websocket=websocket)
        )
        content, more = learned.apply(self.upstream.url, content, now)
        content, notes = _with_fitting_effort(content, models, notes)
        content = bring(
            content,
            placement,
            thread_id=identity.thread_id,
            forms=item_forms(self.profile, name),
            turn_id=identity.turn_id,
            previous=previous,
        )
        content.pop("client_metadata", None)
        if self._client_metadata:
            content["client_metadata"] = self._own_words(identity)
        return Shaped(name, caller or body, content, None, [*notes, *more])

    def _own_words(self, identity: Identity) -> dict[str, str]:
        """The caller's ``client_metadata`` beside its identity.

        Words of official clients belong to a release: what this one does not say, a newer client
        behind an older profile does not say either. Any other word is the caller's own, and kept.
        """
        official = identity.originator in self._surfaces
        return {
            name: word
            for name, word in identity.client_metadata.items()
            if name in self._client_metadata or not (official or name.startswith(OF_OFFICIAL))
        }

    def _shape_of(self, slug: str, models: Sequence[Model]) -> str:
        """The upstream's word on a model's shape counts where the release has that shape."""
        wanted = shape_of(slug, models, self.profile.shape)
        return wanted if wanted in self.profile.shapes else self.profile.shape(slug)

    def _kind(self, identity: Identity, transport: Transport = "http") -> str:
        """A turn where the release has no such request of its own."""
        forms = self.profile.requests.get(identity.request_kind, {})
        return identity.request_kind if transport in forms else "turn"

    # --- requests ----------------------------------------------------------------------------

    def turn(self, shaped: Shaped, identity: Identity, caller: Caller) -> UpstreamRequest:
        """A model request over HTTP."""
        kind = self._kind(identity)
        made = apply.request(
            self.profile,
            kind,
            shape=shaped.shape,
            sign_in=sign_in_of(caller.account),
            roles=self._roles(identity, caller),
            content=shaped.content | {"input": shaped.content["input"].texts},
            http_version=header_version(self.profile, kind),
            unknown="keep",  # the upstream is asked, and what it refuses is learned
        )
        shaped.moved = moved(dict(shaped.caller), made.data or {})
        shaped.notes += [str(note) for note in made.notes]
        http2 = speaks_http2(self.profile, kind)
        return assembled(self.upstream, made, caller.account, http2=http2)

    def frame(self, shaped: Shaped, identity: Identity, caller: Caller) -> bytes:
        """A ``response.create`` message."""
        notes: list[apply.Note] = []
        roles = self._roles(identity, caller)
        roles["stream_started_at_unix_ms"] = int(time.time() * 1000)
        roles["previous_response_id"] = shaped.content.get("previous_response_id")
        data = apply.body(
            self.profile,
            self._kind(identity, "websocket"),
            transport="websocket",
            shape=shaped.shape,
            sign_in=sign_in_of(caller.account),
            roles=roles,
            content=shaped.content,
            unknown="keep",
            notes=notes,
        )
        shaped.moved = moved(dict(shaped.caller), data)
        shaped.notes += [str(note) for note in notes]
        return dumps(data)

    def upgrade(
        self,
        identity: Identity,
        caller: Caller,
        *,
        model: str,
        websocket_key: str | None,
    ) -> UpstreamRequest:
        """The WebSocket handshake; its key is the client's own, which the answer is made for.

        Raises:
            ClientError: 426, the release knows no WebSocket; official clients go on over HTTP.
        """
        if "upgrade" not in self.profile.kinds:
            raise ClientError(
                426,
                "no_websocket",
                f"{self.profile.name} makes no WebSocket connections. Use HTTP, or set "
                "floway_profile to a newer release.",
            )
        roles = self._roles(identity, caller)
        roles |= {
            "model": model,
            "reasoning_effort": identity.metadata.get("reasoning_effort"),
            "websocket_key": websocket_key,
        }
        if "turn metadata" not in identity.sources.get("turn_id", ""):
            roles["turn_id"] = ""  # a handshake is made for a prewarm, which is of no turn
        made = apply.request(
            self.profile,
            "upgrade",
            transport="websocket",
            shape=self.profile.shape(model),
            sign_in=sign_in_of(caller.account),
            roles=roles,
        )
        return assembled(self.upstream, made, caller.account, http2=False)

    @property
    def asks_for_models(self) -> bool:
        """Whether the release asks for the upstream's model list."""
        return "models" in self.profile.kinds

    @property
    def asks_for_models_over_http2(self) -> bool:
        return self.asks_for_models and speaks_http2(self.profile, "models")

    def known_models(self) -> list[Model]:
        """The models that the profile names, for releases that do not ask for a list."""
        return [Model(slug, slug) for slug in self.profile.named_models]

    def models(self, account: Account) -> tuple[str, list[tuple[str, str]]]:
        """URL and headers of the request for the model list."""
        made = apply.request(
            self.profile,
            "models",
            shape=next(iter(self.profile.shapes)),
            sign_in=sign_in_of(account),
            roles={**self._roles_of(account), "originator": ORIGINATOR},
            http_version=header_version(self.profile, "models"),
        )
        return self.upstream.url + made.path, made.headers

    def side(self, exchange: Exchange, caller: Caller) -> UpstreamRequest:
        """An endpoint beside the model, as the account's call.

        Raises:
            ClientError: 404, the account has no such endpoints.
        """
        roles = {**self._roles_of(caller.account), "originator": caller.originator}
        return self._endpoints.request(exchange, caller.account, roles)

    # --- parts -------------------------------------------------------------------------------

    def _roles(self, identity: Identity, caller: Caller) -> dict[str, Json]:
        return {
            **self._roles_of(caller.account),
            **projection.of_identity(
                identity, installation_id=caller.installation, originator=caller.originator
            ),
        }

    def _roles_of(self, account: Account) -> dict[str, Json]:
        """Of the machine, the account and the upstream."""
        return {
            **self._machine,
            **credential_roles(account),
            "authority": self.upstream.authority,
        }

    def originator(self, exchange: Exchange) -> str:
        """The official caller's own surface, else that of a client without a screen."""
        own = exchange.header("originator")
        return own if own in self._surfaces else ORIGINATOR

    def is_official(self, exchange: Exchange) -> bool:
        """Whether the caller is the official client, or takes the answers that are made for it."""
        return exchange.route.native or exchange.header("originator") in self._surfaces

    def likely_model(self, models: Sequence[Model]) -> str:
        """For a handshake that names none: the first model of the list, as a client would take."""
        listed = (model.slug for model in models if model.listed)
        return next(listed, self.profile.models[0].match[0])


def _with_fitting_effort(
    body: dict[str, Any], models: Sequence[Model], notes: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """``body`` and ``notes``, with an effort that its model has."""
    reasoning = body.get("reasoning")
    wanted = reasoning.get("effort") if isinstance(reasoning, dict) else None
    if not isinstance(reasoning, dict) or not isinstance(wanted, str):
        return body, notes
    effort = fitting_effort(wanted, str(body.get("model", "")), models)
    if effort == wanted:
        return body, notes
    note = f"reasoning.effort {wanted} was made {effort}, the most that the model has."
    return {**body, "reasoning": {**reasoning, "effort": effort}}, [*notes, note]


def _surfaces(profile: Profile) -> frozenset[str]:
    """Originators that the release has in model requests."""
    form = profile.requests["turn"]["http"]
    found: set[str] = set()
    for entry in profile.headers[form.headers]:
        if entry.role == "originator" and isinstance(entry.value, Enum):
            found.update(str(value) for value in entry.value.values)
    return frozenset(found)


def _table(account: Account, *, websocket: bool) -> Mapping[str, parameters.Rule]:
    """What the account's upstream refuses; that of API keys is the public API."""
    if sign_in_of(account) == "api_key":
        return {}
    return parameters.CHATGPT if websocket else parameters.CHATGPT_HTTP


def named_model(exchange: Exchange, identity: Identity) -> str:
    """The model that an official client's handshake names, or ""."""
    if model := identity.metadata.get("model"):
        return str(model)
    hint = exchange.header("x-codex-routing-hint") or ""
    for part in hint.split(";"):
        name, _, value = part.partition("=")
        if name.strip() == "model" and value.strip():
            return value.strip()
    return ""
