"""Which of a vocabulary's templates a release has: fields made of several roles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from fingerprints.matchers import Template, template_pattern


def telling(
    texts: Iterable[tuple[str, str]], templates: Mapping[str, Sequence[str]], release: str
) -> dict[str, list[str]]:
    """The templates of each name, without those that fit less of its texts than another one.

    Args:
        texts: name of a field, and a text that it was seen with.
        templates: by name of the field, the first that fits before the next.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for name, text in texts:
        if name in templates:
            seen[name].add(text)
    chosen = {}
    for name, found in seen.items():
        fits = {
            template: {text for text in found if fitted(template, text, release) is not None}
            for template in templates[name]
        }
        chosen[name] = [one for one in fits if not any(fits[one] < fits[other] for other in fits)]
    return chosen


def fitted(template: str, text: str, release: str) -> list[tuple[str, str]] | None:
    """The template's roles, each with its part of ``text``.

    None where the template does not fit, or a role would have two values.
    """
    match = template_pattern(template, release).fullmatch(text)
    if match is None:
        return None
    parts = list(zip(Template(text=template).roles, match.groups(), strict=True))
    return parts if len(set(parts)) == len({role for role, _ in parts}) else None
