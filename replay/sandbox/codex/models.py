"""The model list, in the form of the backend's ``codex/models`` (codex-wire.md §4.6).

Slugs, shapes, default efforts and minimal client versions are those of the catalogues inside the
releases 0.142.0 and 0.169.0; texts are our own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from replay.sandbox.gate import named_models

type Json = dict[str, Any]

_EFFORTS = {
    "low": "Quick answers",
    "medium": "A balance of speed and depth",
    "high": "Deeper reasoning",
    "xhigh": "Much deeper reasoning",
    "max": "As deep as it goes",
    "ultra": "As deep as it goes, with delegation",
}
BASE_INSTRUCTIONS = (
    "You are the scripted model of the floway sandbox. You answer deterministically and do what "
    "the directives of the last user message say."
)


@dataclass(frozen=True, slots=True)
class Model:
    """One entry.

    Attributes:
        lite: the client sends the *lite* body shape (tools and instructions inside the input).
        priority: the client's default is the visible model with the lowest number.
        minimal_version: older clients are not shown the model.
        efforts: how many of the effort levels it supports.
    """

    slug: str
    name: str
    lite: bool
    priority: int
    minimal_version: str
    default_effort: str = "medium"
    efforts: int = 4
    context_window: int = 272_000
    visible: bool = True
    agents: str | None = None
    verbosity: str = "low"

    def json(self) -> Json:
        levels = list(_EFFORTS.items())[: self.efforts]
        return {
            "slug": self.slug,
            "display_name": self.name,
            "description": f"{self.name} as the floway sandbox plays it.",
            "default_reasoning_level": self.default_effort,
            "supported_reasoning_levels": [
                {"effort": effort, "description": text} for effort, text in levels
            ],
            "shell_type": "shell_command",
            "visibility": "list" if self.visible else "hide",
            "minimal_client_version": self.minimal_version,
            "supported_in_api": True,
            "priority": self.priority,
            "availability_nux": None,
            "upgrade": None,
            "base_instructions": BASE_INSTRUCTIONS,
            "model_messages": {
                "instructions_template": BASE_INSTRUCTIONS,
                "instructions_variables": None,
            },
            "supports_reasoning_summaries": True,
            "supports_reasoning_summary_parameter": True,
            "default_reasoning_summary": "none",
            "support_verbosity": True,
            "default_verbosity": self.verbosity,
            "apply_patch_tool_type": "freeform",
            "web_search_tool_type": "text_and_image",
            "input_modalities": ["text", "image"],
            "supports_image_detail_original": True,
            "truncation_policy": {"mode": "tokens", "limit": 10000},
            "supports_parallel_tool_calls": True,
            "supports_search_tool": True,
            "supports_experimental_context": False,
            "context_window": self.context_window,
            "max_context_window": self.context_window,
            "auto_compact_token_limit": None,
            "effective_context_window_percent": 95,
            "experimental_supported_tools": [],
            "available_in_plans": ["free", "plus", "pro", "team", "business", "enterprise", "edu"],
            "prefer_websockets": True,
            "service_tiers": [{"id": "priority", "name": "Fast", "description": "Faster answers"}],
            "default_service_tier": None,
            "additional_speed_tiers": ["fast"],
            "use_responses_lite": self.lite,
            "tool_mode": "code_mode_only" if self.lite else None,
            "multi_agent_version": self.agents,
            "multi_agent_reasoning_effort": None,
            "supports_reasoning_effort_updates": False,
            "include_skills_usage_instructions": not self.lite,
            "include_apps_usage_instructions": not self.lite,
            "include_plugin_usage_instructions": not self.lite,
            "guardian": None,
            "node_repl_auto_review_required": self.agents == "v2",
            "node_repl_disabled": False,
            "requires_sandboxed_review": False,
            "auto_review_model_override": None,
            "model_specialty": None,
            "comp_hash": "3000" if self.lite else "2911",
        }


MODELS = (
    Model("gpt-6.1-sol", "GPT-6.1-Sol", True, 1, "0.153.0", "low", 6, agents="v2"),
    Model("gpt-6-astra", "GPT-6-Astra", True, 2, "0.153.0", "low", 6, agents="v2"),
    Model("gpt-6-sol", "GPT-6-Sol", True, 3, "0.155.0", "medium", 6, agents="v2"),
    Model("gpt-6-luna", "GPT-6-Luna", True, 4, "0.155.0", "medium", 5, agents="v2"),
    Model("gpt-5.6-luna", "GPT-5.6-Luna", True, 9, "0.144.0", "medium", 5, agents="v1"),
    Model("gpt-5.5", "GPT-5.5", False, 13, "0.124.0"),
    Model("gpt-5.4", "gpt-5.4", False, 14, "0.98.0"),
    Model("gpt-5.4-mini", "GPT-5.4-Mini", False, 15, "0.98.0", verbosity="medium"),
    Model("gpt-5.3-codex", "gpt-5.3-codex", False, 16, "0.98.0"),
    Model("gpt-5.2", "gpt-5.2", False, 17, "0.0.1"),
    Model("codex-auto-review", "Codex Auto Review", True, 43, "0.98.0", "medium", 5, visible=False),
)
BY_SLUG = {model.slug: model for model in MODELS}


def find_model(slug: object, *, lenient: bool = False, named: Collection[str] = ()) -> Model | None:
    """A model by its slug, or one of a shipped release that the list no longer has; a lenient
    sandbox has every model that anybody asks for.

    Args:
        named: further models.
    """
    if not isinstance(slug, str):
        return None
    if slug not in BY_SLUG and (lenient or slug in named or slug in named_models()):
        return Model(slug, slug, False, 99, "0.0.1", visible=False)
    return BY_SLUG.get(slug)


_ENTRIES = [(model, model.json()) for model in MODELS]
ETAG = 'W/"' + hashlib.sha256(json.dumps([e for _, e in _ENTRIES]).encode()).hexdigest()[:32] + '"'
"""Of the whole list; the same for every client version, as ``x-models-etag`` repeats it."""


def model_list(client_version: str | None) -> Json:
    """Body of the answer; with a version only the models that this client may see."""
    version = _version(client_version or "")
    shown = [
        entry
        for model, entry in _ENTRIES
        if not version or _version(model.minimal_version) <= version
    ]
    return {"models": shown}


def _version(text: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in match.groups()) if match else ()
