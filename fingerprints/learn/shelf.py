"""Files beside traces and profiles that the learner reads: overlays and catalogues."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fingerprints.errors import TraceError
from fingerprints.learn import overlay as overlays
from fingerprints.learn.overlay import Overlay

CATALOGUE = "catalogue.json"
CLIENT_OVERLAY = "overlay.yaml"
RELEASE_OVERLAY = ".overlay.yaml"
"""End of the name of a release's overlay: ``0.150.1.overlay.yaml``."""


def catalogue_of(files: Iterable[Path]) -> dict[str, Any] | None:
    """The catalogue in the folder of the traces; None when there is none.

    Raises:
        TraceError: it cannot be read, or there are two different ones.
    """
    found: dict[str, Any] | None = None
    for folder in sorted({file.parent for file in files}):
        file = folder / CATALOGUE
        if not file.exists():
            continue
        try:
            data = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise TraceError(f"cannot be read: {error}", file=file) from error
        models = data.get("models") if isinstance(data, dict) else None
        if not isinstance(models, list) or not all(
            isinstance(model, dict) and isinstance(model.get("slug"), str) for model in models
        ):
            raise TraceError("not a catalogue: no models with slugs", file=file, field="models")
        if found is not None and found != data:
            raise TraceError("another catalogue than beside the other traces", file=file)
        found = data
    return found


def overlays_beside(profile: Path, shipped: Path) -> tuple[Overlay | None, Overlay | None]:
    """The overlays of a profile's file: of its release, and of its client.

    Args:
        shipped: folder of the client's shipped profiles, for the client's overlay where there is
            none beside the file.

    Raises:
        ProfileError: one cannot be read.
    """
    release = profile.with_name(profile.stem + RELEASE_OVERLAY)
    client = profile.with_name(CLIENT_OVERLAY)
    if not client.exists():
        client = shipped / CLIENT_OVERLAY
    return (
        overlays.read(release) if release.exists() else None,
        overlays.read(client) if client.exists() else None,
    )
