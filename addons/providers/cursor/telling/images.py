"""Pictures and files in a request's content, as bytes. Pure: nothing is fetched.

The upstream takes a picture's bytes, and no links; a link is not followed here, because a proxy
that fetches what its callers name can be sent anywhere.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.front.members import fault
from addons.providers.cursor.run.run_outputs import Image, Part

MAX_IMAGE: Final = 20 * 1024 * 1024
"""Bytes of one picture."""

_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_DATA_URL: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL | re.IGNORECASE)
_TEXTS: Final = re.compile(r"text/.*|application/(json|xml|yaml|x-yaml|toml|javascript)")


def image(url: Any, path: str) -> Image:
    """The picture of an ``image_url``.

    Its type is what its first bytes say, where they say something: clients name it wrongly.

    Args:
        path: of the part, for the message.

    Raises:
        BadRequest: it is no data URL of a picture, or too large.
    """
    if not isinstance(url, str):
        raise fault(f"{path}.image_url", "a string", url)
    match = _DATA_URL.fullmatch(url)
    if match is None:
        raise BadRequest(
            "unsupported_image_url",
            f"`{path}.image_url` is a link; this model takes pictures as bytes. Send "
            "`data:image/TYPE;base64,DATA`.",
            param=path,
        )
    data = _decoded(match, path)
    mime = _mime(data) or match[1].lower()
    if not mime.startswith("image/"):
        raise BadRequest(
            "invalid_image",
            f"`{path}.image_url` must hold a picture (PNG, JPEG, GIF or WebP), not {mime!r:.40}.",
            param=path,
        )
    if len(data) > MAX_IMAGE:
        raise BadRequest(
            "image_too_large",
            f"`{path}` has {len(data)} bytes; the largest picture that is taken has {MAX_IMAGE}.",
            param=path,
        )
    return Image(data, mime)


def file(part: Json, path: str) -> Part:
    """The content of an ``input_file``: text as text, a picture as a picture.

    Raises:
        BadRequest: it is neither.
    """
    given = part.get("file_data")
    if not isinstance(given, str) or not given:
        raise _unreadable(path, "is not in the request")
    match = _DATA_URL.fullmatch(given)
    if match is None:
        raise _unreadable(path, "is no data URL")
    mime = match[1].lower()
    if mime.startswith("image/"):
        return image(given, path)
    if mime and not _TEXTS.fullmatch(mime):
        raise _unreadable(path, f"is {mime:.60}")
    try:
        text = _decoded(match, path).decode()
    except UnicodeDecodeError:
        raise _unreadable(path, "is not UTF-8 text") from None
    name = part.get("filename")
    return f'<file name="{name}">\n{text}\n</file>' if isinstance(name, str) and name else text


def _unreadable(path: str, why: str) -> BadRequest:
    return BadRequest(
        "unsupported_file",
        f"`{path}` is a file that {why}; this model takes texts and pictures only. Send its "
        "content as text, or its pages as pictures.",
        param=path,
    )


def _decoded(match: re.Match[str], path: str) -> bytes:
    words = match[2].lower().split(";")
    if "base64" not in words:
        return unquote_to_bytes(match[3])
    try:
        return base64.b64decode("".join(match[3].split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(
            "invalid_base64", f"`{path}` holds a data URL that is not valid base64.", param=path
        ) from None


def _mime(data: bytes) -> str | None:
    for signature, mime in _SIGNATURES:
        if data.startswith(signature):
            return mime
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None
