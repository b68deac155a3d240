"""The profile: what one release of a client puts on the wire, as data.

A profile has named lists of headers and named documents (objects with ordered members), and a
table of requests that refers to them. An entry applies where its ``when`` says so; the order of a
list is the order on the wire, after entries that do not apply are left out. The same name may
stand in a list several times, in places and with matchers of their own, as long as the conditions
exclude each other.

The format is data that a learner can write: everything is optional that a recording cannot show
(roles, reasons), every entry can carry its evidence, and :meth:`Profile.as_data` is the inverse of
reading.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from fingerprints.entry import Document, Entry, Names, Part, Presence, When, constant
from fingerprints.matchers import JsonText, Nested

__all__ = [
    "Document",
    "Encoding",
    "Entry",
    "Form",
    "ItemRule",
    "Location",
    "Misplaced",
    "ModelRule",
    "Never",
    "Presence",
    "Profile",
    "Recorded",
    "Shape",
    "SignIn",
    "Transport",
    "When",
    "constant",
]

_REMEMBERED_SLUGS = 1024

type Transport = Literal["http", "websocket"]
type SignIn = Literal["chatgpt", "api_key"]


type Location = tuple[str | int, ...]
"""Keys and indices from the top of the profile."""

type Problem = tuple[Location, str]


class Misplaced(ValueError):
    """What is wrong between two parts of a profile, and where."""

    def __init__(self, location: Location, problem: str) -> None:
        super().__init__(problem)
        self.location = location


class Encoding(Part):
    """How a body is compressed.

    Attributes:
        name: value of ``content-encoding``.
        level: compression level.
        content_size: the frame says how long the content is.
        checksum: the frame ends with a checksum.
        window: window size that the frame asks for, bytes.
    """

    name: Literal["zstd"]
    level: int = Field(ge=1, le=22)
    content_size: bool
    checksum: bool
    window: int = Field(gt=0)
    when: When = When()
    reason: str = ""


class Form(Part):
    """One kind of request over one transport.

    Attributes:
        method: HTTP method; None for a WebSocket message.
        path: path with its query, by sign-in; a template (``{version}``). Several when the client
            asks in several ways; an applier uses the first.
        http: HTTP versions that carry it; the first is what the real host speaks.
        headers: name of the header list; "" for a WebSocket message.
        unordered: groups of headers whose order among each other is random.
        body: name of the document; "" when there is no body.
        encodings: how the body is compressed; the first that applies.
        marks: paths and values that tell this kind from others with the same method and path.
    """

    method: str | None = None
    path: dict[SignIn, Names] = Field(default_factory=dict)
    http: Names = ()
    headers: str = ""
    unordered: tuple[tuple[str, ...], ...] = ()
    body: str = ""
    encodings: tuple[Encoding, ...] = ()
    marks: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""
    evidence: Names = ()


class Shape(Part):
    """Where a request of this shape has its parts.

    Attributes:
        instructions: ``member`` (top-level ``instructions``) or ``developer_message`` (the first
            message of the input, role developer).
        tools: ``member`` (top-level ``tools``) or ``additional_tools`` (the first item of the
            input, with all tools in it).
        item_ids: every input item has an id of its own kind (``msg_``, ``fc_``, …).
        reason: what is known of it.
    """

    instructions: Literal["member", "developer_message"]
    tools: Literal["member", "additional_tools"]
    item_ids: bool = False
    reason: str = ""


class ItemRule(Part):
    """How some items of the input look. The first rule whose conditions an item meets holds for it.

    Attributes:
        type: the item's ``type``.
        role: the item's ``role``; empty for any.
        leading: the message that has the instructions, where the shape has them in the input.
        shape: body shapes; empty for all.
        document: its members.
    """

    type: str
    role: Names = ()
    leading: bool = False
    shape: Names = ()
    document: str
    reason: str = ""
    evidence: Names = ()

    def fits(self, kind: object, role: object, shape: str) -> bool:
        """Whether an item of this type and role, in a body of this shape, may be meant."""
        return (
            kind == self.type
            and (not self.role or role in self.role)
            and (not self.shape or shape in self.shape)
        )


class ModelRule(Part):
    """What the client's catalogue says of some models.

    Attributes:
        match: glob patterns of slugs.
        shape: body shape.
        defaults: role values that hold for these models unless the caller says otherwise.
    """

    match: Names
    shape: str
    defaults: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""


class Never(Part):
    """What the release never sends, whatever it is asked."""

    headers: Names = ()
    members: Names = ()
    reason: str = ""


class Recorded(Part):
    """How the profile came to be. ``evidence``: name of a recording to what it shows."""

    with_: str = Field(alias="with")
    on: str
    evidence: dict[str, str] = Field(default_factory=dict)


class Profile(Part):
    """One release of one client. See the module's text for how the parts go together.

    Attributes:
        hosts: where the requests were sent. What goes to another host, and is none of these
            requests, is none of the profile's business.
    """

    format: Literal[1]
    client: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    release: str = Field(pattern=r"^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$")
    recorded: Recorded
    hosts: Names = ()
    originators: dict[str, str] = Field(min_length=1)
    shapes: dict[str, Shape]
    models: tuple[ModelRule, ...] = Field(min_length=1)
    never: Never = Never()
    headers: dict[str, tuple[Entry, ...]]
    documents: dict[str, Document]
    items: tuple[ItemRule, ...] = ()
    requests: dict[str, dict[Transport, Form]]

    _rules: dict[str, ModelRule] = PrivateAttr(default_factory=dict)
    _plans: dict[Any, Any] = PrivateAttr(default_factory=dict)

    def compiled[T](self, key: Any, make: Callable[[], T]) -> T:
        """What ``make`` gave for this key the first time; for plans, of which there are few."""
        try:
            return self._plans[key]  # type: ignore[no-any-return]  # a key always has one type
        except KeyError:
            made = self._plans[key] = make()
            return made

    @property
    def name(self) -> str:
        """``codex@0.169.0``"""
        return f"{self.client}@{self.release}"

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of request."""
        return frozenset(self.requests)

    def model(self, slug: str) -> ModelRule:
        """The first rule whose pattern fits the slug; validation proves that there is one."""
        rule = self._rules.get(slug)
        if rule is None:
            rule = next(
                rule
                for rule in self.models
                if any(fnmatch.fnmatchcase(slug, pattern) for pattern in rule.match)
            )
            if len(self._rules) >= _REMEMBERED_SLUGS:
                self._rules.clear()
            self._rules[slug] = rule
        return rule

    @property
    def named_models(self) -> list[str]:
        """The slugs that ``models`` names, patterns left aside."""
        slugs = [slug for rule in self.models for slug in rule.match]
        return [slug for slug in slugs if not set("*?[") & set(slug)]

    def shape(self, model: str) -> str:
        """Body shape for a model slug, by the patterns of ``models``."""
        return self.model(model).shape

    def members(self, name: str) -> frozenset[str]:
        """What an object in the body of a turn is made of; nothing where there is no such."""
        document = self.documents[self.requests["turn"]["http"].body]
        return frozenset(
            member.name
            for entry in document.members
            if entry.name == name and isinstance(entry.value, Nested)
            for member in self.documents[entry.value.document].members
        )

    def as_data(self) -> dict[str, Any]:
        """Plain data, as it stands in YAML; reading it gives an equal profile."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        """Names that one part uses must exist in the other."""
        problems = [*self._form_problems(), *self._entry_problems(), *self._model_problems()]
        if problems:
            raise Misplaced(*problems[0])
        return self

    def _form_problems(self) -> Iterator[Problem]:
        for kind, forms in self.requests.items():
            for transport, form in forms.items():
                place = ("requests", kind, transport)
                if form.headers and form.headers not in self.headers:
                    yield (*place, "headers"), f"no header list {form.headers!r}"
                if form.body and form.body not in self.documents:
                    yield (*place, "body"), f"no document {form.body!r}"
                if form.method is not None and not (form.path and form.headers and form.http):
                    yield place, "a request with a method needs path, headers and http"
                if form.method is None and not form.body:
                    yield place, "neither method nor body"

    def _entry_problems(self) -> Iterator[Problem]:
        lists: dict[Location, tuple[Entry, ...]] = {}
        lists |= {("headers", name): entries for name, entries in self.headers.items()}
        lists |= {
            ("documents", name, "members"): doc.members for name, doc in self.documents.items()
        }
        for place, entries in lists.items():
            for index, entry in enumerate(entries):
                yield from self._when_problems((*place, index, "when"), entry.when)
                if (
                    isinstance(entry.value, JsonText | Nested)
                    and entry.value.document not in self.documents
                ):
                    yield (*place, index, "value"), f"no document {entry.value.document!r}"
        for index, rule in enumerate(self.items):
            if rule.document not in self.documents:
                yield ("items", index, "document"), f"no document {rule.document!r}"
            if unknown := set(rule.shape) - self.shapes.keys():
                yield ("items", index, "shape"), f"no shape {', '.join(sorted(unknown))}"

    def _when_problems(self, place: Location, when: When) -> Iterator[Problem]:
        allowed = {
            "kind": self.kinds,
            "shape": self.shapes.keys(),
            "transport": {"http", "websocket"},
            "sign_in": {"chatgpt", "api_key"},
            "http": {"HTTP/1.1", "HTTP/2.0"},
        }
        for key, names in allowed.items():
            for value in getattr(when, key):
                if value not in names:
                    known = ", ".join(sorted(names))
                    yield (*place, key), f"{value!r} is not one of {known}"

    def _model_problems(self) -> Iterator[Problem]:
        for index, rule in enumerate(self.models):
            if rule.shape not in self.shapes:
                yield ("models", index, "shape"), f"no shape {rule.shape!r}"
        if "*" not in self.models[-1].match:
            place = ("models", len(self.models) - 1, "match")
            yield place, 'the last rule must match "*", so that every model has one'
