"""From the name that a client asks for to what goes on the wire. Pure.

A name is ``cursor/ID`` with options behind it: ``cursor/gpt-5.2:high:max`` or
``cursor/gpt-5.2:effort=high``. An option is ``max`` (the larger window), ``fast``, ``thinking``,
an effort, or ``PARAMETER=VALUE`` in the upstream's own words. The effort may also come with the
request, as every client protocol has it; that of the name counts first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.providers.cursor.models import MAX_OPTION, Model, Variant
from addons.providers.cursor.routes import PREFIX

RANKS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Efforts, least first."""

_EFFORT: Final = "effort"
_LARGE: Final = re.compile(r"(?<![0-9a-z])1m(?![0-9a-z])", re.IGNORECASE)
_FLAGS: Final = ("fast", "thinking")


@dataclass(frozen=True, slots=True)
class Choice:
    """A model as the run request names it.

    Attributes:
        model_id: on the wire.
        name: for people; "" where nobody knows one.
        parameters: id and value of each.
        window: tokens; None: not known.
        notes: what could not be had.
    """

    model_id: str
    name: str = ""
    max_mode: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    window: int | None = None
    notes: tuple[str, ...] = ()


def choose(body: Json, models: Sequence[Model]) -> Choice:
    """The model of a request in the neutral form.

    A model that is not in the list is asked for as it is: lists leave some out.

    Args:
        models: the last good list; may be empty.

    Raises:
        BadRequest: the name has an option that means nothing.
    """
    name = body.get("model")
    base, *options = str(name).removeprefix(PREFIX).split(":")
    wanted = _Wanted()
    for option in options:
        wanted.add(option)
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    if isinstance(effort, str):
        wanted.parameters.setdefault(_EFFORT, effort)
    model, preset = _found(base, models)
    if model is None:
        parameters = tuple(
            (key, each) for key, each in wanted.parameters.items() if key in wanted.own
        )
        notes = wanted.ignored(f"the model {base!r:.80} is not in the list")
        return Choice(base, "", wanted.max_mode, parameters, None, notes)
    if not model.variants:
        return _by_sibling(model, wanted, models)
    return _by_parameters(model, preset, wanted)


@dataclass(slots=True)
class _Wanted:
    """Options. ``own``: names of parameters that were given in the upstream's words."""

    max_mode: bool = False
    parameters: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)

    def add(self, option: str) -> None:
        key, equals, each = option.partition("=")
        if equals and key and each:
            self.parameters[key] = each
            self.own.add(key)
        elif option == MAX_OPTION:
            self.max_mode = True
        elif option in _FLAGS:
            self.parameters[option] = "true"
        elif option in RANKS:
            self.parameters[_EFFORT] = option
        else:
            raise BadRequest(
                "invalid_model_option",
                f"`model`: the option {option!r:.40} means nothing. Options are {MAX_OPTION}, "
                f"{', '.join(_FLAGS)}, an effort ({', '.join(RANKS[:-1])}), or PARAMETER=VALUE.",
                param="model",
            )

    def ignored(self, why: str) -> tuple[str, ...]:
        """Notes on what can't be asked for."""
        names = [name for name in self.parameters if name not in self.own]
        return tuple(f"{name}={self.parameters[name]}: {why}; it was left out." for name in names)


def _found(name: str, models: Sequence[Model]) -> tuple[Model | None, Variant | None]:
    """By id, then alias, then the name of a variant."""
    for model in models:
        if model.id == name:
            return model, None
    for model in models:
        if name in model.aliases:
            return model, None
    for model in models:
        for variant in model.variants:
            if variant.slug and variant.slug == name:
                return model, variant
    return None, None


def _window(model: Model, *, max_mode: bool) -> int | None:
    """As the upstream says; where it does not, as its models' names do (§1.5)."""
    known = (model.max_window if max_mode else None) or model.window
    if known is None and _LARGE.search(model.id):
        return 1_000_000
    return known


# --- models with parameters ----------------------------------------------------------------------


def _by_parameters(model: Model, preset: Variant | None, wanted: _Wanted) -> Choice:
    notes: list[str] = []
    max_mode = _max_mode(model, wanted, notes) or (preset is not None and preset.max_mode)
    overrides = dict(preset.parameters) if preset is not None else {}
    for name, value in wanted.parameters.items():
        parameter = (model.effort_parameter or name) if name == _EFFORT else name
        values = model.values(parameter)
        if name in wanted.own:
            overrides[parameter] = value
        elif name == _EFFORT and value == "none" and "false" in model.values("thinking"):
            overrides["thinking"] = "false"
        elif name == _EFFORT and values:
            overrides[parameter] = _nearest(value, values)
            if overrides[parameter] != value:
                notes.append(f"effort: {model.id} has no {value!r:.20}; {overrides[parameter]!r}.")
        elif value in values:
            overrides[parameter] = value
        else:
            notes.append(f"{name}={value:.20}: {model.id} has no such setting; it was left out.")
    chosen = _variant(model, overrides, max_mode=max_mode)
    parameters = {**dict(chosen.parameters), **overrides}
    window = _window(model, max_mode=max_mode)
    return Choice(model.id, model.name, max_mode, tuple(parameters.items()), window, tuple(notes))


def _variant(model: Model, overrides: Mapping[str, str], *, max_mode: bool) -> Variant:
    """The variant that is nearest to what is wanted, the default one before others."""
    fitting = [each for each in model.variants if each.max_mode == max_mode]

    def score(variant: Variant) -> tuple[int, bool]:
        return sum(variant.value(key) == each for key, each in overrides.items()), variant.default

    best = max(fitting, key=score, default=Variant())
    # Nothing of it was asked for, and nobody calls it the default: the upstream decides.
    return best if any(score(best)) else Variant()


def _max_mode(model: Model, wanted: _Wanted, notes: list[str]) -> bool:
    if wanted.max_mode and not model.max_mode:
        notes.append(f"max: {model.id} has no larger window; it was left out.")
        return False
    return wanted.max_mode


def _nearest(effort: str, values: Sequence[str]) -> str:
    """The value itself, else the one that is nearest to it, of two the lesser."""
    if effort in values:
        return effort
    ranked = [value for value in values if value in RANKS]
    if effort not in RANKS or not ranked:
        return values[0]
    at = RANKS.index(effort)
    return min(ranked, key=lambda value: (abs(RANKS.index(value) - at), RANKS.index(value)))


# --- models whose settings are models of their own -----------------------------------------------


def _by_sibling(model: Model, wanted: _Wanted, models: Sequence[Model]) -> Choice:
    """Older lists have ``gpt-5.2-high`` beside ``gpt-5.2``."""
    notes: list[str] = []
    found = model
    words = [
        value if name == _EFFORT else name
        for name, value in wanted.parameters.items()
        if name not in wanted.own
    ]
    for word in words:
        sibling = next((each for each in models if each.id == f"{found.id}-{word}"), None)
        if sibling is not None:
            found = sibling
        elif not found.id.endswith(f"-{word}") and f"-{word}-" not in found.id:
            notes.append(f"{word}: {found.id} has no such setting; it was left out.")
    max_mode = _max_mode(found, wanted, notes)
    own = tuple((name, value) for name, value in wanted.parameters.items() if name in wanted.own)
    window = _window(found, max_mode=max_mode)
    return Choice(found.id, found.name, max_mode, own, window, tuple(notes))
