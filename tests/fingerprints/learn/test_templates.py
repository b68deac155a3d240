from __future__ import annotations

from fingerprints.learn.templates import fitted, telling

SAME = "{originator}/{version} ({originator}; {version})"
OTHER = "{originator}/{version} ({client_name}; {version})"
BARE = "{originator}/{version}"
TEMPLATES = {"user-agent": [SAME, OTHER, BARE]}


def chosen(*texts: str) -> list[str]:
    return telling((("user-agent", text) for text in texts), TEMPLATES, "1.0.0")["user-agent"]


def test_a_role_has_one_value() -> None:
    assert fitted(SAME, "a_b/1.0.0 (a_b; 1.0.0)", "1.0.0") == [
        ("originator", "a_b"),
        ("version", "1.0.0"),
        ("originator", "a_b"),
        ("version", "1.0.0"),
    ]
    assert fitted(SAME, "a_b/1.0.0 (a-b; 1.0.0)", "1.0.0") is None
    assert fitted(SAME, "a_b/1.0.0 (a_b; 1.0.1)", "1.0.0") is None


def test_the_narrow_template_where_it_fits_all() -> None:
    assert chosen("a_b/1.0.0 (a_b; 1.0.0)", "c/1.0.0 (c; 1.0.0)", "c/1.0.0")[0] == SAME


def test_the_wide_one_where_the_narrow_one_does_not() -> None:
    """Recorded from 0.115.0: ``codex_exec/… (codex-exec; …)``, and ``codex-tui`` in both places."""
    assert chosen("a_b/1.0.0 (a-b; 1.0.0)", "c/1.0.0 (c; 1.0.0)") == [OTHER]
    assert chosen("a_b/1.0.0 (a-b; 1.0.0)", "c/1.0.0") == [OTHER, BARE]


def test_names_without_templates_are_left_alone() -> None:
    assert telling([("accept", "c/1.0.0")], TEMPLATES, "1.0.0") == {}
