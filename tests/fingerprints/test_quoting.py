"""What an upstream said, as it may be repeated."""

from __future__ import annotations

import pytest

from fingerprints.quoting import quoted


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        ("key sk-abcdef123456 is bad", "key sk-… is bad"),
        ("in /home/joe/x.json, Authorization: Bearer abc12345", "in …, Authorization: Bearer …"),
        ("of joe@example.com and git@example.com:a/b.git", "of … and …"),
        ('{"refresh_token": "opaquesecret"}', '{"refresh_token": "…"}'),
        ("the token expired; try again in 20 s", "the token expired; try again in 20 s"),
    ],
)
def test_what_is_private_is_hidden(said: str, repeated: str) -> None:
    assert quoted(said) == repeated
