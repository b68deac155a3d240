"""Content blocks that the model reads, as Responses input parts."""

from __future__ import annotations

from typing import Any, Final

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.front.members import check_members, fault

_READ: Final = ("text", "image", "document", "search_result")


def input_parts(block: Json, path: str) -> list[Json]:
    """The parts of one block: text, image, document or search result.

    Raises:
        BadRequest: the block has no counterpart, or a member is missing.
    """
    match block.get("type"):
        case "text":
            check_members(block, {"text": "string"}, path, required=True)
            return [_text(block["text"])]
        case "image":
            return [_image(_source(block, path), f"{path}.source")]
        case "document":
            return _document(block, path)
        case "search_result":
            return [_search_result(block, path)]
        case _:
            raise BadRequest(
                "invalid_value",
                f"`{path}.type` must be one of {', '.join(_READ)} here.",
                param=f"{path}.type",
            )


def content_blocks(content: Any, path: str) -> list[Json]:
    """A message's or a result's content as blocks; a string is one text block.

    Raises:
        BadRequest: it is neither a string nor an array of objects.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise fault(path, "a string or an array of content blocks", content)
    for index, block in enumerate(content):
        if not isinstance(block, dict):
            raise fault(f"{path}[{index}]", "an object", block)
    return content


def plain_texts(content: Any, path: str) -> list[str]:
    """The texts of a content that may hold nothing else.

    Raises:
        BadRequest: it holds something else.
    """
    blocks = content_blocks(content, path)
    return [plain_text(block, f"{path}[{index}]") for index, block in enumerate(blocks)]


def plain_text(block: Json, path: str) -> str:
    """The text of a block that must be one.

    Raises:
        BadRequest: it is something else.
    """
    if block.get("type") != "text":
        raise BadRequest(
            "invalid_value",
            f"`{path}.type` must be `text`: images and documents belong into a user message.",
            param=f"{path}.type",
        )
    check_members(block, {"text": "string"}, path, required=True)
    text: str = block["text"]
    return text


def _text(text: str) -> Json:
    return {"type": "input_text", "text": text}


def _source(block: Json, path: str) -> Json:
    source = block.get("source")
    if not isinstance(source, dict):
        raise fault(f"{path}.source", "an object", source)
    return source


def _image(source: Json, path: str) -> Json:
    match source.get("type"):
        case "base64":
            check_members(source, {"media_type": "string", "data": "string"}, path, required=True)
            if not source["media_type"].startswith("image/"):
                raise BadRequest(
                    "invalid_value",
                    f"`{path}.media_type` must be an image's, such as image/png.",
                    param=f"{path}.media_type",
                )
            url = f"data:{source['media_type']};base64,{source['data']}"
        case "url":
            url = _link(source, path)
        case kind:
            raise _bad_source(kind, path, "`base64` or `url`")
    return {"type": "input_image", "image_url": url}


def _link(source: Json, path: str) -> str:
    check_members(source, {"url": "string"}, path, required=True)
    url: str = source["url"]
    if not url.lower().startswith(("https://", "http://")):
        raise BadRequest(
            "invalid_value", f"`{path}.url` must be an http(s) URL.", param=f"{path}.url"
        )
    return url


def _bad_source(kind: Any, path: str, wanted: str) -> BadRequest:
    reason = (
        "names a file that is kept by Anthropic's Files API, which is not here"
        if kind == "file"
        else "is not known"
    )
    return BadRequest(
        "unsupported_value",
        f"`{path}.type` {reason}; send the content itself, as {wanted}.",
        param=f"{path}.type",
    )


def _document(block: Json, path: str) -> list[Json]:
    check_members(block, {"title": "string", "context": "string"}, path)
    source, here = _source(block, path), f"{path}.source"
    title = block.get("title") or ""
    heading = "\n".join(text for text in (title, block.get("context") or "") if text)
    match source.get("type"):
        case "text":
            check_members(source, {"data": "string"}, here, required=True)
            return [_text("\n\n".join(text for text in (heading, source["data"]) if text))]
        case "content":
            blocks = content_blocks(source.get("content"), f"{here}.content")
            inner = [
                part
                for index, each in enumerate(blocks)
                for part in input_parts(each, f"{here}.content[{index}]")
            ]
            return [*([_text(heading)] if heading else []), *inner]
        case "base64":
            check_members(source, {"media_type": "string", "data": "string"}, here, required=True)
            data = f"data:{source['media_type']};base64,{source['data']}"
            file = {"filename": _file_name(title), "file_data": data}
        case "url":
            file = {"file_url": _link(source, here)}
        case kind:
            raise _bad_source(kind, here, "`base64`, `text`, `content` or `url`")
    context = block.get("context")
    return [*([_text(context)] if context else []), {"type": "input_file", **file}]


def _file_name(title: str) -> str:
    """Upstreams tell a file's kind by its name as well; Anthropic's base64 documents are PDF."""
    name = title or "document"
    return name if name.lower().endswith(".pdf") else f"{name}.pdf"


def _search_result(block: Json, path: str) -> Json:
    check_members(block, {"title": "string", "source": "string"}, path, required=True)
    found = plain_texts(block.get("content"), f"{path}.content")
    return _text("\n".join([block["title"], block["source"], *found]))
