"""The models that a release knows, reduced to what decides how its requests look.

Releases that have ``codex debug models`` print their whole catalogue, instructions included. What
is kept of it stands beside the traces as ``catalogue.json``::

    {"format": 1, "client": "codex", "release": "0.169.0", "default": "gpt-6.1-sol",
     "models": [
      {"slug": "gpt-6.1-sol", "shape": "lite", "visible": true, "priority": 1,
       "default_effort": "low", "efforts": ["low", "medium"], "default_verbosity": "low",
       "settings": {"tool_mode": "code_mode_only", "supports_search_tool": true}}]}

``shape``: of the body, ``lite`` (tools and instructions inside ``input``) or ``full``. ``default``:
the visible model with the lowest priority number, which the client uses when none is asked for.
``settings``: the other members that are no text: booleans, numbers and words, as the release spells
them. Descriptions and instructions are left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

FILE = "catalogue.json"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,39}")
_KNOWN = frozenset(
    {
        "slug",
        "use_responses_lite",
        "visibility",
        "priority",
        "default_reasoning_level",
        "supported_reasoning_levels",
        "default_verbosity",
    }
)
_TEXTS = frozenset(
    {
        "display_name",
        "description",
        "base_instructions",
        "model_messages",
        "availability_nux",
        "upgrade",
        "available_in_plans",
    }
)
"""Members that hold texts or offers; nothing of them is kept."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CatalogueModel(_Part):
    """One model.

    Attributes:
        default_effort: reasoning effort when none is asked for.
        settings: see above.
    """

    slug: str
    shape: Literal["full", "lite"] = "full"
    visible: bool = True
    priority: int = 0
    default_effort: str | None = None
    efforts: tuple[str, ...] = ()
    default_verbosity: str | None = None
    settings: dict[str, Any] = {}


class Catalogue(_Part):
    """A release's models, in its own order."""

    format: Literal[1] = 1
    client: str
    release: str
    default: str
    models: tuple[CatalogueModel, ...]

    def model(self, slug: str) -> CatalogueModel | None:
        """By slug."""
        return next((model for model in self.models if model.slug == slug), None)

    def of_other_shape(self, prefer: tuple[str, ...] = ()) -> CatalogueModel | None:
        """The visible model to take for the body shape that the default model does not have."""
        default = self.model(self.default)
        others = [
            model
            for model in self.models
            if model.visible and default is not None and model.shape != default.shape
        ]
        others.sort(key=lambda model: (model.slug not in prefer, model.priority))
        return others[0] if others else None


def reduce(text: str, *, client: str, release: str) -> Catalogue | None:
    """What is kept of the catalogue that a release printed; None when it is none.

    Lines before the JSON, such as warnings, are skipped.
    """
    start = text.find("{")
    try:
        data = json.JSONDecoder().raw_decode(text, start)[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    entries = data.get("models") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return None
    models = [_model(entry) for entry in entries if isinstance(entry, dict) and entry.get("slug")]
    visible = [model for model in models if model.visible] or models
    if not visible:
        return None
    default = min(visible, key=lambda model: model.priority)
    return Catalogue(client=client, release=release, default=default.slug, models=tuple(models))


def _model(entry: dict[str, Any]) -> CatalogueModel:
    levels = entry.get("supported_reasoning_levels")
    efforts = [level.get("effort") for level in levels or [] if isinstance(level, dict)]
    priority = entry.get("priority")
    rest = {name: value for name, value in entry.items() if name not in _KNOWN | _TEXTS}
    return CatalogueModel(
        slug=str(entry["slug"]),
        shape="lite" if entry.get("use_responses_lite") is True else "full",
        visible=entry.get("visibility", "list") == "list",
        priority=priority if isinstance(priority, int) else 0,
        default_effort=_word(entry.get("default_reasoning_level")),
        efforts=tuple(effort for effort in efforts if isinstance(effort, str)),
        default_verbosity=_word(entry.get("default_verbosity")),
        settings=_members(rest),
    )


def _members(value: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    return {
        name: kept
        for name, item in sorted(value.items())
        if _word(name) and (kept := _kept(item, depth)) is not None
    }


def _kept(value: Any, depth: int = 0) -> Any:
    """A value without its texts; None when nothing is left."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _word(value)
    if depth < 3 and isinstance(value, list):
        items = [_kept(item, depth + 1) for item in value]
        return None if any(item is None for item in items) else items
    if depth < 3 and isinstance(value, dict):
        return _members(value, depth + 1) or None
    return None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def write(catalogue: Catalogue, folder: Path) -> Path:
    """Write ``folder/CLIENT/RELEASE/catalogue.json``, one model per line."""
    target = folder / catalogue.client / catalogue.release / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    data = catalogue.model_dump()
    models = [json.dumps(model, ensure_ascii=False) for model in data.pop("models")]
    head = json.dumps(data, ensure_ascii=False)[1:-1]
    lines = ",\n".join(f"  {model}" for model in models)
    new = target.with_name(target.name + ".new")
    new.write_text(f'{{{head}, "models": [\n{lines}\n]}}\n', encoding="utf-8")
    new.replace(target)
    return target


def read(file: Path) -> Catalogue:
    """
    Raises:
        ValueError: it is no such file; says what is wrong.
        OSError: it cannot be read.
    """
    try:
        return Catalogue.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{file}: {field}: {first['msg']}; record it again") from error
