"""One way of sending: kind, transport, shape, sign-in. What of a profile applies to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fingerprints.errors import ProfileError
from fingerprints.profile import Encoding, Entry, Form, Presence, Profile, SignIn, Transport, When

type HttpVersion = Literal["HTTP/1.1", "HTTP/2.0"]


@dataclass(frozen=True, slots=True)
class Variant:
    """The conditions that are known before any value is.

    Attributes:
        http: None where it does not matter (documents, WebSocket messages).
    """

    kind: str
    transport: Transport
    shape: str
    sign_in: SignIn
    http: HttpVersion | None = None

    def meets(self, when: When) -> bool:
        """Whether the conditions hold, those on roles left aside."""
        return (
            (not when.kind or self.kind in when.kind)
            and (not when.transport or self.transport in when.transport)
            and (not when.shape or self.shape in when.shape)
            and (not when.sign_in or self.sign_in in when.sign_in)
            and (not when.http or self.http is None or self.http in when.http)
        )

    def entries(self, entries: tuple[Entry, ...], place: str = "") -> list[Entry]:
        """The entries that may be sent, in order.

        Args:
            place: path of the object, ``header:…`` or ``body:…``; "" where it does not matter.
        """
        surface = place.partition(":")[0]
        return [
            entry
            for entry in entries
            if entry.presence is not Presence.NEVER
            and self.meets(entry.when)
            and (not surface or not entry.when.place or surface in entry.when.place)
        ]

    def encoding(self, form: Form) -> Encoding | None:
        """How a body is compressed, None for not at all."""
        return next((item for item in form.encodings if self.meets(item.when)), None)


def form_of(profile: Profile, kind: str, transport: Transport) -> Form:
    """The form of a request.

    Raises:
        ProfileError: the release has no such kind, or not over this transport.
    """
    forms = profile.requests.get(kind)
    if forms is None:
        raise ProfileError(
            f"{profile.name} has no request {kind!r}",
            field="requests",
            remedy=f"It has {', '.join(sorted(profile.requests))}",
        )
    form = forms.get(transport)
    if form is None:
        raise ProfileError(
            f"{profile.name} has no {kind!r} over {transport}",
            field=f"requests.{kind}",
            remedy=f"It has it over {', '.join(sorted(forms))}",
        )
    return form


def variant_of(
    profile: Profile,
    kind: str,
    transport: Transport,
    shape: str,
    sign_in: SignIn,
    http: HttpVersion | None = None,
) -> Variant:
    """A variant, its words checked.

    Raises:
        ProfileError: a word that the profile does not know.
    """
    if shape not in profile.shapes:
        raise ProfileError(
            f"{profile.name} has no shape {shape!r}",
            field="shapes",
            remedy=f"It has {', '.join(sorted(profile.shapes))}",
        )
    if sign_in not in ("chatgpt", "api_key"):
        raise ProfileError(f"sign_in is chatgpt or api_key, not {sign_in!r}")
    return Variant(kind, transport, shape, sign_in, http)
