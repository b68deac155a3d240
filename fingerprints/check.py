"""Requests compared with a profile, field by field.

The checker knows no release: every rule is an entry of the profile. Layers are compared apart (see
:class:`~fingerprints.difference.Layer`), so that a moved header is one difference and not two, and
a value that is wrong in one of its places is a broken equality there.

What the caller brings (``content`` in the profile: input items, tools, instructions) is checked
for its JSON type only.

Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fingerprints.difference import Change, Difference, Layer, shorten
from fingerprints.encoding import MAGIC, Frame
from fingerprints.observed import (
    Body,
    Candidate,
    Observed,
    by_marks,
    candidates,
    read_body,
    sign_in_of,
)
from fingerprints.profile import Encoding, Form, Profile, SignIn, Transport
from fingerprints.roles import ROLES
from fingerprints.serial import dumps, untidy
from fingerprints.variant import HttpVersion, Variant, form_of, variant_of
from fingerprints.walk import Walk

__all__ = ["Difference", "Layer", "Observed", "Recognised", "check_frame", "check_request"]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a request is.

    Attributes:
        kind, transport, shape, sign_in: as in the profile.
        roles: role values that the request holds, as text. Holds secrets.
    """

    kind: str
    transport: Transport
    shape: str
    sign_in: SignIn
    roles: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def stable(self) -> dict[str, str]:
        """Values that all messages of this request's connection must share."""
        return {role: value for role, value in self.roles.items() if ROLES[role].stable}


type Attempt = Callable[[str], tuple[Recognised, list[Difference]]]
"""A reading with a given shape."""


def check_request(
    profile: Profile,
    observed: Observed,
    *,
    kind: str | None = None,
    shape: str | None = None,
    sign_in: SignIn | None = None,
) -> list[Difference]:
    """Every difference between a request (or a WebSocket upgrade) and the profile.

    Args:
        kind, shape, sign_in: told from the request when not given: the kind from method, path and
            the profile's marks; the sign-in from the path or the token; the shape from the model.

    An empty list means that the request is what the release would send. A request that the
    profile does not have is one difference of layer ``request_line``, kind ``unknown``.

    Raises:
        ProfileError: a given kind, shape or sign-in is not in the profile.
    """
    return inspect(profile, observed, kind=kind, shape=shape, sign_in=sign_in)[1]


def inspect(
    profile: Profile,
    observed: Observed,
    *,
    kind: str | None = None,
    shape: str | None = None,
    sign_in: SignIn | None = None,
) -> tuple[Recognised | None, list[Difference]]:
    """As :func:`check_request`, with what the request was taken for; None for an unknown one."""
    body = read_body(observed.body)
    found = candidates(profile, observed)
    if kind is not None:
        form = form_of(profile, kind, observed.over)
        known = next((each for each in found if each.kind == kind), None)
        match = known or Candidate(kind, form, tuple(form.path), False)
    elif found:
        best = [each for each in found if each.exact == found[0].exact]
        named = by_marks([(each.kind, each.form) for each in best], observed.headers, body.data)
        match = next(each for each in best if each.kind == named)
    else:
        line = f"{observed.method} {observed.path} over {observed.over}"
        return None, [
            Difference(
                Layer.REQUEST_LINE,
                "path",
                Change.UNKNOWN,
                f"a request that {profile.name} sends",
                shorten(line),
            )
        ]
    sign_in = sign_in or sign_in_of(observed, match.sign_ins)

    def attempt(candidate_shape: str) -> tuple[Recognised, list[Difference]]:
        return _Check(profile, observed, body, match, candidate_shape, sign_in).run()

    if shape is not None:
        return attempt(shape)
    return _best(profile, attempt)


def check_frame(
    profile: Profile,
    text: str | bytes,
    *,
    kind: str | None = None,
    shape: str | None = None,
    sign_in: SignIn | None = None,
    known: Mapping[str, str] | None = None,
) -> list[Difference]:
    """Every difference between a WebSocket message of the client and the profile.

    Args:
        text: the message.
        kind, shape: told from the message when not given.
        sign_in: of the connection; when not given, the one with the fewest differences.
        known: role values that must agree, e.g. :attr:`Recognised.stable` of the upgrade.

    Raises:
        ProfileError: a given kind, shape or sign-in is not in the profile.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    body = Body(raw, problem="a text message cannot be compressed")
    if not raw.startswith(MAGIC):
        body = read_body(raw)
    found = [
        (each, forms["websocket"])
        for each, forms in profile.requests.items()
        if "websocket" in forms and forms["websocket"].method is None
    ]
    if kind is None:
        if not found:
            return [
                Difference(
                    Layer.REQUEST_LINE, "message", Change.UNKNOWN, "no WebSocket message", "one"
                )
            ]
        kind = by_marks(found, (), body.data)
    form = form_of(profile, kind, "websocket")
    sign_ins: tuple[SignIn, ...] = ("chatgpt", "api_key") if sign_in is None else (sign_in,)
    best: list[Difference] | None = None
    for each in sign_ins:
        differences = _frame(profile, body, kind, form, shape, each, known or {})
        if best is None or len(differences) < len(best):
            best = differences
    return best or []


def _frame(
    profile: Profile,
    body: Body,
    kind: str,
    form: Form,
    shape: str | None,
    sign_in: SignIn,
    known: Mapping[str, str],
) -> list[Difference]:
    def attempt(candidate_shape: str) -> tuple[Recognised, list[Difference]]:
        variant = variant_of(profile, kind, "websocket", candidate_shape, sign_in)
        walk = Walk(profile, variant, (), body.data)
        for role, value in known.items():
            walk.pool.setdefault(role, []).append(("the connection", value))
        differences = _body_text(body)
        if not body.problem:
            walk.document("body:", form.body, body.data)
            differences += walk.differences()
        return _recognised(variant, walk), differences

    return attempt(shape)[1] if shape is not None else _best(profile, attempt)[1]


def _best(profile: Profile, attempt: Attempt) -> tuple[Recognised, list[Difference]]:
    """The reading with the shape that the model has; a model that no rule names has the shape
    with the fewest differences."""
    first = next(iter(profile.shapes))
    recognised, differences = attempt(first)
    model = recognised.roles.get("model")
    if model is not None:
        rule = profile.model(model)
        if rule.match != ("*",):
            return (recognised, differences) if rule.shape == first else attempt(rule.shape)
    for shape in list(profile.shapes)[1:]:
        other = attempt(shape)
        if len(other[1]) < len(differences):
            recognised, differences = other
    return recognised, differences


def _recognised(variant: Variant, walk: Walk) -> Recognised:
    roles = {role: places[0][1] for role, places in walk.pool.items() if places and role in ROLES}
    return Recognised(variant.kind, variant.transport, variant.shape, variant.sign_in, roles)


def _body_text(body: Body) -> list[Difference]:
    """How the bytes of a JSON body are written."""
    rule = "compact JSON, UTF-8"
    if body.problem:
        return [Difference(Layer.ENCODING, "body", Change.BROKEN, rule, shorten(body.problem))]
    if body.data is None or dumps(body.data) == body.text:
        return []
    return [
        Difference(Layer.ENCODING, "body", Change.VALUE, rule, fault)
        for fault in untidy(body.text.decode("utf-8", "replace"), ascii_only=False)
    ]


class _Check:
    """One reading of one request."""

    def __init__(
        self,
        profile: Profile,
        observed: Observed,
        body: Body,
        match: Candidate,
        shape: str,
        sign_in: SignIn,
    ) -> None:
        self.profile = profile
        self.observed = observed
        self.body = body
        self.match = match
        self.form = match.form
        version: HttpVersion = "HTTP/1.1" if observed.http_version == "HTTP/1.1" else "HTTP/2.0"
        self.variant = variant_of(profile, match.kind, observed.over, shape, sign_in, version)

    def run(self) -> tuple[Recognised, list[Difference]]:
        walk = Walk(self.profile, self.variant, self.observed.headers, self.body.data)
        walk.headers(self.form.headers, self.form.unordered)
        if self.observed.body:
            walk.pool.setdefault("content_length", []).append(
                ("the body's length", str(len(self.observed.body)))
            )
        if self.form.body and not self.body.problem:
            walk.document("body:", self.form.body, self.body.data)
        differences = [*self._line(), *self._encoding(), *walk.differences()]
        return _recognised(self.variant, walk), differences

    def _line(self) -> list[Difference]:
        out = []
        seen = self.observed.http_version
        if seen not in self.form.http:
            wanted = " or ".join(self.form.http)
            out.append(Difference(Layer.REQUEST_LINE, "http_version", Change.VALUE, wanted, seen))
        if self.observed.method != self.form.method:
            out.append(
                Difference(
                    Layer.REQUEST_LINE,
                    "method",
                    Change.VALUE,
                    str(self.form.method),
                    self.observed.method,
                )
            )
        paths = [
            path.replace("{version}", self.profile.release)
            for path in self.form.path.get(self.variant.sign_in, ())
        ]
        if self.observed.path not in paths:
            wanted = " or ".join(paths) or f"nothing with sign-in {self.variant.sign_in}"
            out.append(
                Difference(
                    Layer.REQUEST_LINE, "path", Change.VALUE, wanted, shorten(self.observed.path)
                )
            )
        return out

    def _encoding(self) -> list[Difference]:
        if not self.form.body:
            if not self.observed.body:
                return []
            size = f"{len(self.observed.body)} bytes"
            return [Difference(Layer.ENCODING, "body", Change.ADDED, "no body", size)]
        if not self.observed.body:
            return [Difference(Layer.ENCODING, "body", Change.REMOVED, "a JSON body", "none")]
        wanted = self.variant.encoding(self.form)
        frame = self.body.frame
        out = _body_text(self.body)
        out += [
            Difference(Layer.ENCODING, "body", Change.VALUE, "as the release writes it", fault)
            for fault in self.observed.faults
        ]
        if (wanted is None) != (frame is None) and not self.body.problem:
            names = ("plain", "a zstd frame")
            out.append(
                Difference(
                    Layer.ENCODING,
                    "body",
                    Change.VALUE,
                    names[wanted is not None],
                    names[frame is not None],
                    f"requests.{self.variant.kind}.encodings",
                )
            )
        elif wanted is not None and frame is not None:
            out += _frame_settings(wanted, frame, self.variant.kind, self.observed.level)
        return out


def _frame_settings(
    wanted: Encoding, frame: Frame, kind: str, level: int | None
) -> list[Difference]:
    rule = f"requests.{kind}.encodings"
    pairs: list[tuple[str, object, object]] = [
        ("level", wanted.level, wanted.level if level is None else level),
        ("content size in the frame header", wanted.content_size, frame.content_size),
        ("checksum", wanted.checksum, frame.checksum),
        ("window", wanted.window, frame.window),
        ("bytes after the frame", 0, len(frame.rest)),
    ]
    return [
        Difference(Layer.ENCODING, f"body: {name}", Change.VALUE, str(expected), str(actual), rule)
        for name, expected, actual in pairs
        if expected != actual
    ]
