"""A model request as mitmweb shows it: whose it is, what it says of itself, what makes it large."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from addons.debug.views.lens import Look
from addons.debug.views.outline import leaf, outline
from addons.debug.views.sections import columns, cut, joined, section, size, wrapped
from addons.providers.codex.surfaces import METADATA

_PATHS: Final = ("/responses", "/responses/compact")
_IDS: Final = ("session", "thread", "turn", "window", "installation", "request-id", "request_id")
"""Parts of the names of members and headers that hold an id."""

LARGEST: Final = 40
"""Items that are listed."""


class RequestLens:
    """See :class:`addons.debug.views.lens.Lens`."""

    name = "floway codex request"

    def fits(self, look: Look, data: bytes) -> bool:
        return look.is_request and look.path.endswith(_PATHS) and data[:1] == b"{"

    def shown(self, look: Look, data: bytes) -> str:
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as error:
            text = data.decode("utf-8", "replace")
            return joined([section(f"Broken JSON: {error}", [""]), text])
        if not isinstance(body, dict):
            return "\n".join(outline(body))
        metadata = _metadata(look, body)
        return joined(
            [
                section("Identity", _identity(look, body, metadata)),
                section("Turn metadata", outline(metadata) if metadata else []),
                section(f"Body ({size(len(data))})", _members(body)),
                section("Input, largest first", _items(body.get("input"))),
                section("Tools, largest first", _tools(body.get("tools"))),
                section("Instructions", _text(body.get("instructions"))),
            ]
        )


def _metadata(look: Look, body: Mapping[str, Any]) -> dict[str, Any]:
    """The turn metadata: the body's copy, else the header's."""
    client = body.get("client_metadata")
    texts = [client.get(METADATA)] if isinstance(client, dict) else []
    texts += [value for name, value in look.headers if name.lower() == METADATA]
    for text in texts:
        try:
            found = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def _identity(look: Look, body: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[str]:
    """Each id: its value, where it stands, and where floway has it from."""
    places: dict[str, list[str]] = {}
    for place, value in _ids(look, body, metadata):
        places.setdefault(value, []).append(place)
    sources = look.summary.get("sources")
    sources = sources if isinstance(sources, Mapping) else {}
    lines = []
    for value, where in places.items():
        known = {str(sources[name]) for name in _fields(where) if name in sources}
        lines.append(cut(value, 60))
        lines += wrapped("  from  ", sorted(known))
        lines += wrapped("  in    ", where)
    return lines


def _ids(
    look: Look, body: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for name, value in look.headers:
        if _is_id(name.lower(), value):
            yield name.lower(), value
    client = body.get("client_metadata")
    for prefix, members in (("body.", client if isinstance(client, dict) else {}), ("", metadata)):
        for name, value in members.items():
            if isinstance(value, str) and _is_id(name, value):
                yield f"{prefix or 'metadata.'}{name}", value
    for name in ("prompt_cache_key", "previous_response_id"):
        if isinstance(body.get(name), str):
            yield name, body[name]


def _is_id(name: str, value: str) -> bool:
    """Not the metadata itself, which is opened below, and no word in it (thread_source: user)."""
    digits = any(letter.isdigit() for letter in value)
    return digits and value[:1] != "{" and any(part in name for part in _IDS)


def _fields(places: list[str]) -> set[str]:
    """Fields of the identity that these places may show."""
    found = set()
    for place in places:
        name = place.rpartition(".")[2].removeprefix("x-codex-").replace("-", "_")
        found |= {name, name.removesuffix("_id"), f"{name}_id"}
    return found


def _members(body: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, value in body.items():
        if isinstance(value, list):
            told = f"{len(value)} items"
        elif isinstance(value, dict):
            told = ", ".join(value) or "{}"
        else:
            told = leaf(value)
        rows.append((name, size(_bytes(value)), told))
    return columns(rows)


def _items(items: object) -> list[str]:
    if not isinstance(items, list):
        return []
    rows = []
    for index, item in enumerate(items):
        known = item if isinstance(item, dict) else {}
        words = [str(known.get(name, "")) for name in ("type", "role", "name")]
        rows.append((_bytes(item), index, " ".join(word for word in words if word), _said(known)))
    rows.sort(key=lambda row: (-row[0], row[1]))
    lines = columns(
        [(f"[{index}]", size(count), kind, cut(said, 70)) for count, index, kind, said in rows]
    )
    more = [f"… {len(lines) - LARGEST} smaller ones"] if len(lines) > LARGEST else []
    return lines[:LARGEST] + more


def _said(item: Mapping[str, Any]) -> str:
    for name in ("content", "output", "arguments", "input", "summary"):
        value = item.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            texts = [part.get("text", "") for part in value if isinstance(part, dict)]
            return " ".join(text for text in texts if isinstance(text, str))
    return ""


def _tools(tools: object) -> list[str]:
    if not isinstance(tools, list):
        return []
    rows = [
        (_bytes(tool), str(tool.get("name") or tool.get("type") or "?"))
        for tool in tools
        if isinstance(tool, dict)
    ]
    rows.sort(key=lambda row: (-row[0], row[1]))
    return columns([(size(count), name) for count, name in rows[:LARGEST]])


def _text(text: object) -> list[str]:
    return text.splitlines()[:30] if isinstance(text, str) else []


def _bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
