"""The upstream's model list: its entries, and when it is to be asked for again.

Pure. Source: codex-wire.md §4.6 and ``codex debug models`` of 0.169.0. Entries are the upstream's
own words, so each member is read by itself: one odd entry does not cost the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from addons.errors import FlowayError
from addons.providers.codex.usage import number

MAX_MODELS = 500


class MalformedModels(FlowayError):
    """The upstream's list has not the form of one."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        slug: its name on the wire.
        context_window: tokens; None when not said.
        lite: ``use_responses_lite``; None when not said.
        efforts: reasoning efforts, in the upstream's order.
        modalities: of the input, e.g. ``text``, ``image``.
        listed: shown to people; hidden ones can still be asked for.
    """

    slug: str
    name: str
    context_window: int | None = None
    lite: bool | None = None
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    modalities: tuple[str, ...] = ("text",)
    parallel_tool_calls: bool | None = None
    listed: bool = True


def parse(document: Any) -> list[Model]:
    """The entries of ``{"models": [...]}``, in the upstream's order.

    Raises:
        MalformedModels: there is no list at all.
    """
    rows = document.get("models") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise MalformedModels("the upstream's model list has no array 'models'")
    found: dict[str, Model] = {}
    for row in rows[:MAX_MODELS]:
        model = _model(row)
        if model is not None:
            found.setdefault(model.slug, model)
    return list(found.values())


def _model(row: Any) -> Model | None:
    slug = row.get("slug") if isinstance(row, dict) else None
    if not isinstance(slug, str) or not slug:
        return None
    window = number(row.get("context_window"))
    name = row.get("display_name")
    effort = row.get("default_reasoning_level")
    visibility = row.get("visibility")
    return Model(
        slug=slug,
        name=name if isinstance(name, str) and name else slug,
        context_window=int(window) if window else None,
        lite=_boolean(row.get("use_responses_lite")),
        efforts=tuple(_efforts(row.get("supported_reasoning_levels"))),
        default_effort=effort if isinstance(effort, str) else None,
        modalities=tuple(_texts(row.get("input_modalities"))) or ("text",),
        parallel_tool_calls=_boolean(row.get("supports_parallel_tool_calls")),
        listed=visibility in (None, "list"),
    )


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: Any) -> Iterable[str]:
    return (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _efforts(value: Any) -> Iterable[str]:
    """Levels come as ``{"effort": …, "description": …}``, in older lists as plain texts."""
    for each in value if isinstance(value, list) else ():
        word = each.get("effort") if isinstance(each, dict) else each
        if isinstance(word, str):
            yield word


def shape_of(slug: str, models: Iterable[Model], fallback: Callable[[str], str]) -> str:
    """Body shape of a model: as the upstream's list says, else as the profile's patterns say.

    Args:
        fallback: :meth:`fingerprints.profile.Profile.shape`.
    """
    for model in models:
        if model.slug == slug and model.lite is not None:
            return "lite" if model.lite else "full"
    return fallback(slug)


_DEPTHS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""Words for reasoning efforts, in the order of the catalogue of 0.169.0."""


def fitting_effort(wanted: str, slug: str, models: Iterable[Model]) -> str:
    """The deepest effort that a model has, where a deeper one is wanted; else what is wanted.

    Clients of other upstreams say ``max`` to all models, of which only some have it. What is not
    deep enough, or no word that is known, is the upstream's to refuse.
    """
    if wanted not in _DEPTHS:
        return wanted
    for model in models:
        if model.slug == slug:
            known = [effort for effort in _DEPTHS if effort in model.efforts]
            if known and _DEPTHS.index(wanted) > _DEPTHS.index(known[-1]):
                return known[-1]
    return wanted


@dataclass(frozen=True, slots=True)
class ModelList:
    """The last good list, and how long it holds.

    Attributes:
        etag: as the upstream gave it, for ``If-None-Match`` and to compare with the
            ``x-models-etag`` of answers; "" for none.
        fetched_at: unix seconds of the last good or unchanged answer; 0 for never.
        failed_at: unix seconds of the last failure since then.
        failures: failures in a row.
        sought: the other ETag that an answer named last, "" for none. The list may come with yet
            another one (a cache before the upstream weakens it, say): it is asked for once for
            each, not with every request.
        raw: the document as it came, for clients that ask for the upstream's own form.
    """

    models: tuple[Model, ...] = ()
    etag: str = ""
    fetched_at: float = 0.0
    failed_at: float = 0.0
    failures: int = 0
    sought: str = ""
    raw: Any = field(default=None, compare=False, repr=False)

    TTL = 3600.0
    """Seconds after which a list is asked for again, by ETag."""
    RETRY = 30.0
    """Seconds after a first failure; doubled for each in a row, up to the TTL."""

    def due(self, now: float) -> bool:
        """Whether to ask the upstream; the last good list is served meanwhile."""
        if self.failures:
            wait = min(self.RETRY * 2.0 ** min(self.failures - 1, 16), self.TTL)
            return now >= self.failed_at + wait
        return now >= self.fetched_at + self.TTL

    def fetched(self, document: Any, etag: str, now: float) -> ModelList:
        """After a 200.

        Raises:
            MalformedModels: keep the old one and call :meth:`failed`.
        """
        return ModelList(tuple(parse(document)), etag, now, sought=self.sought, raw=document)

    def unchanged(self, now: float) -> ModelList:
        """After a 304."""
        return replace(self, fetched_at=now, failed_at=0.0, failures=0)

    def failed(self, now: float) -> ModelList:
        """After an error: the last good list stays."""
        return replace(self, failed_at=now, failures=self.failures + 1)

    def announced(self, etag: str | None) -> ModelList:
        """An answer named another ETag: the list is due."""
        if not etag or etag in (self.etag, self.sought) or not self.fetched_at:
            return self
        return replace(self, fetched_at=0.0, sought=etag)
