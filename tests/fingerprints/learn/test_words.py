"""The learner's code knows no client and no release: that is data."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import fingerprints.learn
from fingerprints.errors import ProfileError
from fingerprints.learn import vocabulary
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.learn.yaml_text import render
from fingerprints.library import available, load, parse
from fingerprints.matchers import template_pattern
from fingerprints.roles import ROLES

SOURCES = sorted(Path(fingerprints.learn.__file__).parent.glob("*.py"))
CLIENT_WORDS = re.compile(r"codex|openai|\b\d+\.\d+\.\d+\b", re.IGNORECASE)


def said(code: str) -> list[str]:
    """The texts of a module that are no documentation."""
    tree = ast.parse(code)
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    ]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_no_code_names_a_client_or_a_release(file: Path) -> None:
    assert [text for text in said(file.read_text()) if CLIENT_WORDS.search(text)] == []


def test_the_reader_tells_texts_from_documentation() -> None:
    assert said('"""codex"""\nx = f("codex")\n') == ["codex"]


def test_the_shipped_vocabulary_names_roles_that_exist() -> None:
    words = vocabulary.load("codex")
    assert words.unknown_roles() == []
    for texts in words.templates.values():
        for text in texts:
            assert template_pattern(text, "1.2.3")
    assert {role for roles in words.fields.values() for role in roles} <= ROLES.keys()


def test_a_client_without_a_vocabulary_has_an_empty_one() -> None:
    assert vocabulary.load("nobody") == Vocabulary(client="nobody")


def test_a_vocabulary_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"gone\.yaml: cannot be read"):
        vocabulary.load("codex", tmp_path / "gone.yaml")


@pytest.mark.parametrize("name", [item.name for item in available()])
def test_any_profile_survives_its_yaml(name: str) -> None:
    profile = load(name)
    text = render(profile, ["a heading", "", "of three lines"])
    assert text.startswith("# a heading\n#\n# of three lines\nformat: 1\n")
    assert parse(text.encode()).as_data() == profile.as_data()
    assert render(parse(text.encode())) == render(profile)
