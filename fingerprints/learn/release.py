"""A release learned, completed by its overlays, and checked against its own traces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingerprints import apply
from fingerprints.errors import ProfileError
from fingerprints.learn import overlay as overlays
from fingerprints.learn.build import Draft, learn
from fingerprints.learn.entries import Evidence, Unexplained
from fingerprints.learn.overlay import Overlay
from fingerprints.learn.shapes import Model
from fingerprints.learn.verify import Remaining, verify
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.learn.yaml_text import render
from fingerprints.profile import Profile
from fingerprints.trace import Trace


@dataclass(frozen=True, slots=True)
class LearnedRelease:
    """What was learned.

    Attributes:
        profile: with the overlays.
        draft: before them, with evidence and role names.
        unexplained: fields that no role, no rule and no overlay explains.
        accepted: those that an overlay lets stay, with its reason.
        remaining: differences between the traces and the profile: there should be none.
        inapplicable: why requests cannot be built from it; "" when they can.
    """

    profile: Profile
    draft: Draft
    unexplained: tuple[Unexplained, ...]
    accepted: tuple[tuple[Unexplained, str], ...]
    remaining: tuple[Remaining, ...]
    inapplicable: str

    def text(self) -> str:
        """The profile as YAML."""
        release = self.profile.release
        return render(
            self.profile,
            [
                f"{self.profile.client} {release}, learned from recordings by `floway learn`: do"
                " not edit.",
                f"What people know beside them stands in {release}.overlay.yaml and overlay.yaml.",
                "The format is described in fingerprints/profile.py, the matchers in "
                "fingerprints/matchers.py,",
                "the roles in fingerprints/roles.py. Lists are in wire order.",
            ],
        )

    def evidence(self, path: str) -> list[Evidence]:
        """Evidence of the entries at a path or below, ``headers.responses`` or
        ``turn_metadata.turn_id``."""
        return [each for each in self.draft.evidence if f".{each.path}.".find(f".{path}.") >= 0]


def learn_release(
    traces: Iterable[Trace],
    vocabulary: Vocabulary,
    *,
    release_overlay: Overlay | None = None,
    client_overlay: Overlay | None = None,
    catalogue: Mapping[str, Any] | None = None,
) -> LearnedRelease:
    """Learns a release.

    Args:
        traces: of one release, two at least.
        release_overlay: every entry of it must match something.
        client_overlay: of all releases; entries may match nothing.
        catalogue: content of the ``catalogue.json`` beside the traces.

    Raises:
        TraceError: the traces are too few, or of several releases.
        ProfileError: the release's overlay has entries that match nothing, or makes no profile.
    """
    draft = learn(traces, vocabulary, models_in(catalogue, vocabulary))
    profile = draft.profile
    idle: list[str] = []
    if client_overlay is not None:
        profile, _ = overlays.apply(profile, client_overlay)
    if release_overlay is not None:
        profile, idle = overlays.apply(profile, release_overlay)
        paths = [each.path for each in draft.unexplained]
        idle += overlays.unused_acceptances(release_overlay, paths)
    if idle:
        raise ProfileError(
            f"the overlay of {draft.profile.name} has entries that match nothing: "
            + "; ".join(idle),
            remedy="Take them out, or name the fields as `floway learn` does",
        )
    known = [each for each in (release_overlay, client_overlay) if each is not None]
    accepted, unexplained = _judged(draft.unexplained, known)
    return LearnedRelease(
        profile,
        draft,
        tuple(unexplained),
        tuple(accepted),
        tuple(verify(profile, draft.recordings.traces, vocabulary)),
        _inapplicable(profile),
    )


def _judged(
    found: Sequence[Unexplained], known: Sequence[Overlay]
) -> tuple[list[tuple[Unexplained, str]], list[Unexplained]]:
    accepted, open_ones = [], []
    for each in found:
        reason = overlays.accepts(known, each.path)
        if reason is None:
            open_ones.append(each)
        else:
            accepted.append((each, reason))
    return accepted, open_ones


def _inapplicable(profile: Profile) -> str:
    try:
        apply.precompile(profile)
    except ProfileError as error:
        return str(error)
    return ""


def models_in(catalogue: Mapping[str, Any] | None, vocabulary: Vocabulary) -> list[Model]:
    """The models of a ``catalogue.json`` (its format: ``replay/record/catalogue.py``)."""
    out = []
    for entry in (catalogue or {}).get("models", ()):
        settings = entry.get("settings") or {}
        said = {
            **settings,
            "reasoning_effort": entry.get("default_effort"),
            "verbosity": entry.get("default_verbosity"),
        }
        defaults = {
            role: said[role] for role in vocabulary.model_defaults if said.get(role) is not None
        }
        out.append(Model(entry["slug"], entry.get("shape", ""), defaults))
    return out
