"""Content blocks as input parts."""

from __future__ import annotations

from typing import Any

import pytest

from addons.errors import BadRequest
from addons.front.messages_content import content_blocks, input_parts, plain_texts

type Json = dict[str, Any]


def document(source: Json, **more: Any) -> Json:
    return {"type": "document", "source": source, **more}


def text_part(text: str) -> Json:
    return {"type": "input_text", "text": text}


PLAIN = {"type": "text", "media_type": "text/plain", "data": "It is so."}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ({"type": "text", "text": "Hi", "citations": None}, [text_part("Hi")]),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/webp", "data": "UklG"},
            },
            [{"type": "input_image", "image_url": "data:image/webp;base64,UklG"}],
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "HTTPS://example.org/a.png"}},
            [{"type": "input_image", "image_url": "HTTPS://example.org/a.png"}],
        ),
        (document(PLAIN), [text_part("It is so.")]),
        (document(PLAIN, title="Law", context="Old."), [text_part("Law\nOld.\n\nIt is so.")]),
        (
            document(PDF, title="Law"),
            [
                {
                    "type": "input_file",
                    "filename": "Law.pdf",
                    "file_data": "data:application/pdf;base64,JVBE",
                }
            ],
        ),
        (
            document(PDF, context="Old."),
            [
                text_part("Old."),
                {
                    "type": "input_file",
                    "filename": "document.pdf",
                    "file_data": "data:application/pdf;base64,JVBE",
                },
            ],
        ),
        (
            document({"type": "url", "url": "https://example.org/a.pdf"}),
            [{"type": "input_file", "file_url": "https://example.org/a.pdf"}],
        ),
        (
            document({"type": "content", "content": "It is so."}, title="Law"),
            [text_part("Law"), text_part("It is so.")],
        ),
        (
            document({"type": "content", "content": [{"type": "text", "text": "It is so."}]}),
            [text_part("It is so.")],
        ),
        (
            {
                "type": "search_result",
                "title": "Law",
                "source": "https://example.org/law",
                "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}],
            },
            [text_part("Law\nhttps://example.org/law\nOne.\nTwo.")],
        ),
    ],
)
def test_what_the_model_reads(block: Json, parts: list[Json]) -> None:
    assert input_parts(block, "p") == parts


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({}, "p.type"),
        ({"type": "container_upload", "file_id": "f"}, "p.type"),
        ({"type": "text"}, "p.text"),
        ({"type": "image"}, "p.source"),
        ({"type": "image", "source": "data:"}, "p.source"),
        ({"type": "image", "source": {}}, "p.source.type"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "p.source.type"),
        ({"type": "image", "source": {"type": "url", "url": "ftp://e/a"}}, "p.source.url"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png"}},
            "p.source.data",
        ),
        ({"type": "image", "source": {**PDF}}, "p.source.media_type"),
        (document({"type": "file", "file_id": "f"}), "p.source.type"),
        (document({"type": "text"}), "p.source.data"),
        (document(PLAIN, title=5), "p.title"),
        (document({"type": "content", "content": None}), "p.source.content"),
        (
            document({"type": "content", "content": [{"type": "image"}]}),
            "p.source.content[0].source",
        ),
        ({"type": "search_result", "title": "t", "source": "s"}, "p.content"),
    ],
)
def test_errors_name_the_member(block: Json, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        input_parts(block, "p")
    assert caught.value.param == param
    assert f"`{param}" in caught.value.message


def test_contents() -> None:
    assert content_blocks("Hi", "p") == [{"type": "text", "text": "Hi"}]
    assert plain_texts([{"type": "text", "text": "a"}, {"type": "text", "text": ""}], "p") == [
        "a",
        "",
    ]
    for wrong in (5, None, {"type": "text"}):
        with pytest.raises(BadRequest):
            content_blocks(wrong, "p")
