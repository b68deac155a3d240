"""Requests built from a profile alone.

Nothing here knows a release: which headers and members there are, in which order, and with what
they are filled comes from the profile; the values come from ``roles`` (see
:mod:`fingerprints.roles`) and from the caller's content. A value that neither has is left out
where the profile says *sometimes*, and is a :class:`~fingerprints.errors.MissingRole` where it
says *always*; it is never made up. (A profile may have defaults: what the recorded client says
where it has nothing particular to say. They are data of the profile.)

Most callers need :func:`request` (an HTTP request or a WebSocket upgrade) and :func:`frame` (a
WebSocket message)::

    profile = load("codex@latest")
    shape = profile.shape(model)
    made = request(profile, "turn", shape=shape, sign_in="chatgpt", roles=roles, content=body)
    # made.method, made.path, made.headers, made.body

Precedence of a field's value: what the profile forces (a constant) > role > the caller's content
> the model's default > the field's default.

Pure: no I/O, no clock, no randomness. Plans are compiled once per profile and variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fingerprints.encoding import compress
from fingerprints.errors import ProfileError, UnknownMembers
from fingerprints.json_values import as_text
from fingerprints.plan import Compiler, Filling, Note, Plan
from fingerprints.profile import Encoding, Form, Profile, SignIn, Transport
from fingerprints.roles import Roles
from fingerprints.serial import dumps
from fingerprints.variant import HttpVersion, Variant, form_of, variant_of

__all__ = ["Assembled", "Note", "body", "encode", "frame", "headers", "precompile", "request"]

type Unknown = Literal["keep", "report"]
"""What happens to members of the caller's that the profile does not know.

``keep``: they are sent, at the end of their object in the caller's order (so the result departs
from the profile, and the checker says so). ``report``: they are left out, and each gets a
:class:`Note`.
"""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A request ready to be sent.

    Attributes:
        http_version: the version that the headers are for.
        path: with its query.
        headers: in wire order, with the letter case of the wire; no pseudo headers.
        body: as it goes out, compressed if the headers say so.
        data: the body as JSON before it was written; None when there is none.
        notes: what became of the caller's members that were not sent as they came.
    """

    http_version: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    data: dict[str, Any] | None = None
    notes: list[Note] = field(default_factory=list)


def headers(
    profile: Profile,
    kind: str,
    *,
    shape: str,
    sign_in: SignIn,
    roles: Roles,
    transport: Transport = "http",
    http_version: HttpVersion | None = None,
    content_length: int | None = None,
) -> list[tuple[str, str]]:
    """The headers of a request, in wire order and with their letter case.

    Args:
        kind: kind of request, one of ``profile.requests``.
        shape: body shape, see :meth:`Profile.shape`.
        roles: values by role. What the caller's body says about a role (``model``,
            ``reasoning_effort``, ``service_tier``, …) must be among them: unlike :func:`request`,
            this function does not see the body.
        http_version: the version on the wire; the one the real host speaks by default. Over
            HTTP/1.1 a ``host`` header is in its place.
        content_length: bytes of the body as sent, for kinds that have one.

    Raises:
        MissingRole: a header that is always sent has no value.
        ProfileError: unknown kind, transport, shape or sign-in; or a profile that cannot be
            applied, because a field that is always sent has no source.
    """
    plans = _plans(profile, kind, transport, shape, sign_in)
    filling = plans.filling(roles, {})
    if content_length is not None:
        filling.roles["content_length"] = content_length
    return plans.headers(http_version).headers(filling)


def body(
    profile: Profile,
    kind: str,
    *,
    shape: str,
    sign_in: SignIn,
    roles: Roles,
    content: Mapping[str, Any],
    transport: Transport = "http",
    unknown: Unknown = "keep",
    notes: list[Note] | None = None,
) -> dict[str, Any]:
    """The body as a dict whose members are in wire order.

    Args:
        content: the caller's Responses body, already brought to ``shape`` (instructions and tools
            where :class:`~fingerprints.profile.Shape` says); not changed. Its ``client_metadata``
            gives extra keys; identity comes from roles.
        unknown: see :data:`Unknown`.
        notes: gets one note for each member that was left out or overridden.

    Raises:
        MissingRole: a member that is always sent has no value.
        UnknownMembers: ``unknown="report"`` without ``notes``, and there is something to report.
        ProfileError: as :func:`headers`.
    """
    plans = _plans(profile, kind, transport, shape, sign_in)
    filling = plans.filling(roles, content)
    return plans.body(filling, content, unknown, notes)


def encode(
    profile: Profile,
    kind: str,
    *,
    sign_in: SignIn,
    raw: bytes,
    shape: str | None = None,
    transport: Transport = "http",
) -> bytes:
    """A body's bytes as they go on the wire: compressed where the release compresses."""
    shape = shape if shape is not None else next(iter(profile.shapes))
    encoding = _plans(profile, kind, transport, shape, sign_in).encoding
    return raw if encoding is None else compress(encoding, raw)


def request(
    profile: Profile,
    kind: str,
    *,
    shape: str,
    sign_in: SignIn,
    roles: Roles,
    content: Mapping[str, Any] | None = None,
    transport: Transport = "http",
    http_version: HttpVersion | None = None,
    unknown: Unknown = "report",
) -> Assembled:
    """A whole request: path, headers and encoded body, from one set of values.

    ``transport="websocket"`` with kind ``upgrade`` makes the handshake. Arguments and errors as
    for :func:`headers` and :func:`body`.
    """
    plans = _plans(profile, kind, transport, shape, sign_in)
    if plans.form.method is None:
        raise ProfileError(
            f"{kind!r} over {transport} is a message, not a request", remedy="Use frame()"
        )
    content = content or {}
    filling = plans.filling(roles, content)
    notes: list[Note] = []
    data: dict[str, Any] | None = None
    raw = b""
    if plans.form.body:
        data = plans.body(filling, content, unknown, notes)
        raw = dumps(data)
        if plans.encoding is not None:
            raw = compress(plans.encoding, raw)
        filling.roles["content_length"] = len(raw)
    made = plans.headers(http_version).headers(filling)
    version = http_version or plans.form.http[0]
    return Assembled(version, plans.form.method, plans.path, made, raw, data, notes)


def frame(
    profile: Profile,
    kind: str,
    *,
    shape: str,
    sign_in: SignIn,
    roles: Roles,
    content: Mapping[str, Any],
    unknown: Unknown = "report",
    notes: list[Note] | None = None,
) -> bytes:
    """A WebSocket text message (UTF-8); arguments and errors as for :func:`body`."""
    made = body(
        profile,
        kind,
        transport="websocket",
        shape=shape,
        sign_in=sign_in,
        roles=roles,
        content=content,
        unknown=unknown,
        notes=notes,
    )
    return dumps(made)


def precompile(profile: Profile) -> None:
    """Compile every plan once, so that a profile that cannot be applied is refused at start.

    None is kept. Requests need few of them, and have these compiled again in a few milliseconds;
    all of them are 1.5 MB.

    Raises:
        ProfileError: a field that is always sent has no source; names the field.
    """
    for kind, forms in profile.requests.items():
        for transport, form in forms.items():
            for shape in profile.shapes:
                sign_ins: tuple[SignIn, ...] = tuple(form.path) or ("chatgpt", "api_key")
                for sign_in in sign_ins:
                    plans = _compiled(profile, kind, transport, shape, sign_in)
                    for version in form.http:
                        plans.headers("HTTP/1.1" if version == "HTTP/1.1" else "HTTP/2.0")


class _Plans:
    """Everything compiled for one variant."""

    def __init__(self, profile: Profile, variant: Variant, form: Form) -> None:
        self.profile = profile
        self.form = form
        self.variant = variant
        self.encoding: Encoding | None = variant.encoding(form)
        compiler = Compiler(profile, variant)
        self._body = compiler.body_plan(form.body) if form.body else None
        self._strings = bool(form.body) and profile.documents[form.body].strings
        self.promoted = compiler.promoted
        self._headers: dict[str, Plan] = {}

    @property
    def path(self) -> str:
        """The first path of this sign-in, its template filled."""
        paths = self.form.path.get(self.variant.sign_in)
        if not paths:
            raise ProfileError(
                f"{self.profile.name} sends no {self.variant.kind!r} with sign-in "
                f"{self.variant.sign_in!r}",
                field=f"requests.{self.variant.kind}.{self.variant.transport}.path",
            )
        return paths[0].replace("{version}", self.profile.release)

    def headers(self, http_version: HttpVersion | None) -> Plan:
        """The header plan for an HTTP version."""
        version = http_version or (self.form.http[0] if self.form.http else "")
        plan = self._headers.get(version)
        if plan is None:
            plan = self._headers[version] = self._header_plan(version)
        return plan

    def _header_plan(self, version: str) -> Plan:
        if not self.form.headers or version not in self.form.http:
            raise ProfileError(
                f"{self.variant.kind!r} over {self.variant.transport} has no headers for "
                f"HTTP version {version or 'of a message'!r}",
                remedy=f"It is sent over {', '.join(self.form.http) or 'an open WebSocket'}",
            )
        http: HttpVersion = "HTTP/1.1" if version == "HTTP/1.1" else "HTTP/2.0"
        variant = variant_of(
            self.profile,
            self.variant.kind,
            self.variant.transport,
            self.variant.shape,
            self.variant.sign_in,
            http,
        )
        return Compiler(self.profile, variant).header_plan(self.form.headers)

    def filling(self, roles: Roles, content: Mapping[str, Any]) -> Filling:
        """Role values in their precedence: given, from the content, from the model's rule."""
        merged = {role: value for role, value in roles.items() if value is not None}
        for role, path in self.promoted:
            if role not in merged:
                value = _dig(content, path)
                if value is not None:
                    merged[role] = value
        model = merged.get("model")
        if isinstance(model, str):
            for role, value in self.profile.model(model).defaults.items():
                merged.setdefault(role, value)
        merged["version"] = self.profile.release
        if "originator" in merged:
            merged["client_name"] = as_text(merged["originator"]).replace("_", "-")
        return Filling(merged)

    def body(
        self,
        filling: Filling,
        content: Mapping[str, Any],
        unknown: Unknown,
        notes: list[Note] | None,
    ) -> dict[str, Any]:
        if self._body is None:
            raise ProfileError(f"{self.variant.kind!r} over {self.variant.transport} has no body")
        filling.keep = unknown == "keep"
        made = self._body.object(filling, content, strings=self._strings)
        if filling.unknown and not filling.keep:
            if notes is None:
                raise UnknownMembers(filling.unknown)
            why = f"{self.profile.name} does not send it in this kind of request"
            notes += [Note(path, "left out", why) for path in filling.unknown]
        if filling.overridden and notes is not None:
            why = f"{self.profile.name} always sends a value of its own"
            notes += [Note(path, "overridden", why) for path in filling.overridden]
        return made


def _dig(content: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    here: Any = content
    for name in path:
        if not isinstance(here, Mapping):
            return None
        here = here.get(name)
    return here


def _plans(
    profile: Profile, kind: str, transport: Transport, shape: str, sign_in: SignIn
) -> _Plans:
    key = (kind, transport, shape, sign_in)
    return profile.compiled(key, lambda: _compiled(profile, *key))


def _compiled(
    profile: Profile, kind: str, transport: Transport, shape: str, sign_in: SignIn
) -> _Plans:
    form = form_of(profile, kind, transport)
    return _Plans(profile, variant_of(profile, kind, transport, shape, sign_in), form)
