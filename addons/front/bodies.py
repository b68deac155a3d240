"""Bodies: content codings undone, JSON read, each failure as a clear client error."""

from __future__ import annotations

import json
import math
from itertools import chain
from typing import Any, Final, NoReturn

import orjson

from addons.errors import BadRequest, ClientError
from addons.front.contract import Json
from addons.front.members import json_type
from fingerprints.codings import KNOWN, CodingError, DecoderChain, TooLarge, UnknownCoding

DEFAULT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a decoded request body."""

MAX_DEPTH: Final = 200
"""Nesting of a JSON body. Far below what Python's own encoder and copying can take."""


def decode(body: bytes, content_encoding: str | None, *, limit: int = DEFAULT_LIMIT) -> bytes:
    """A request's body without its content codings (several are undone in order).

    Args:
        content_encoding: the header's value, several header lines joined by commas.
        limit: bytes, before as well as after decoding.

    Raises:
        ClientError: 413 ``body_too_large``, 415 ``unsupported_content_encoding``, 400
            ``invalid_content_encoding`` (corrupt or cut).
    """
    if len(body) > limit:
        raise _too_large(limit)
    try:
        chain = DecoderChain(content_encoding, limit=limit)
        if chain.plain or not body:
            return body
        decoded = b"".join(chain.feed(body))
    except UnknownCoding as error:
        raise ClientError(
            415,
            "unsupported_content_encoding",
            f"content-encoding {error.name!r} is not supported; use one of {', '.join(KNOWN)}.",
            param="content-encoding",
        ) from error
    except TooLarge as error:
        raise _too_large(limit) from error
    except CodingError as error:
        raise _corrupt(content_encoding, str(error)) from error
    if not chain.complete:
        raise _corrupt(content_encoding, "it ends in the middle of the compressed data")
    return decoded


def _too_large(limit: int) -> ClientError:
    return ClientError(
        413,
        "body_too_large",
        f"The request body is larger than {limit} bytes (counted after content-encoding is "
        "undone); send less, or raise floway's limit on request bodies.",
    )


def _corrupt(content_encoding: str | None, reason: str) -> BadRequest:
    return BadRequest(
        "invalid_content_encoding",
        f"The request body does not fit its header content-encoding: {content_encoding}: {reason}.",
        param="content-encoding",
    )


class IncrementalDecoder:
    """Undoes an upstream answer's content codings chunk by chunk, without holding data back.

    Args:
        content_encoding: the answer's header value; None or "" for plain bytes.
        limit: total bytes that undoing a coding may give; None for no limit (a stream may be long).

    Raises:
        ClientError: 502 ``upstream_encoding`` for a coding that is not known.
    """

    def __init__(self, content_encoding: str | None, *, limit: int | None = None) -> None:
        try:
            self._chain = DecoderChain(content_encoding, limit=limit)
        except UnknownCoding as error:
            raise _upstream(f"it uses the unknown content-encoding {error.name!r}") from error

    @property
    def plain(self) -> bool:
        """Whether chunks come back unchanged."""
        return self._chain.plain

    def feed(self, chunk: bytes) -> bytes:
        """Everything that can be decoded so far and was not given yet.

        Raises:
            ClientError: 502 ``upstream_encoding``: corrupt, or larger than the limit.
        """
        if self._chain.plain:
            return chunk
        try:
            return b"".join(self._chain.feed(chunk))
        except CodingError as error:
            raise _upstream(f"it is {error}") from error

    def close(self) -> bytes:
        """Call at the end of the answer. Gives ``b""``: :meth:`feed` holds nothing back.

        Raises:
            ClientError: 502 ``upstream_encoding`` when the compressed data is cut.
        """
        if not self._chain.complete:
            raise _upstream("it ends in the middle of the compressed data")
        return b""


def _upstream(reason: str) -> ClientError:
    return ClientError(502, "upstream_encoding", f"The upstream's answer can't be read: {reason}.")


def parse_object(body: bytes) -> Json:
    """A request's JSON object, members in the sender's order.

    Of duplicate members the last one counts; an integer of more than 64 bits becomes a float, as
    in JavaScript. Half a surrogate pair in a string (some clients cut text in the middle of an
    emoji) becomes U+FFFD: it has no UTF-8 form and could not be sent on.

    Raises:
        ClientError: 400 ``invalid_json`` with line and column where known; 400 for NaN, infinite
            numbers, nesting deeper than :data:`MAX_DEPTH`, bytes that are not UTF-8, and anything
            that is not an object.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = _parse_patiently(body)
    if not isinstance(parsed, dict):
        raise _invalid(f"it must be a JSON object, not {json_type(parsed)}")
    if _opened(body) > MAX_DEPTH and is_too_deep(parsed):
        raise _too_deep()
    return parsed


def _opened(body: bytes) -> float:
    """How many objects and arrays there are at most; not worth counting in a large body."""
    return body.count(b"[") + body.count(b"{") if len(body) <= _QUICKLY_COUNTED else math.inf


def is_too_deep(parsed: Json) -> bool:
    """Whether an object is nested deeper than :data:`MAX_DEPTH`."""
    level: list[Any] = [parsed]
    for _ in range(MAX_DEPTH):
        values = chain.from_iterable([c.values() if type(c) is dict else c for c in level])
        level = [value for value in values if type(value) in _CONTAINERS]
        if not level:
            return False
    return True


def _parse_patiently(body: bytes) -> Any:
    """What the fast parser refuses: half surrogate pairs and a byte order mark are mended, all
    else is told in words that a person can use."""
    if not body.strip():
        raise _invalid("it is empty. Send a JSON object")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"byte {error.start} is not UTF-8 ({error.reason})") from error
    try:
        return _repaired(_JSON.decode(text.removeprefix("\ufeff")))
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _too_deep() from error


def _refuse_constant(name: str) -> NoReturn:
    raise _invalid(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _invalid(f"the number {text[:32]} is out of range")
    return number


def _integer(text: str) -> int | float:
    if len(text) <= 20:  # no more digits fit into 64 bits
        number = int(text)
        if -(2**63) <= number < 2**64:
            return number
    return _finite(text)


_JSON = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer)
_CONTAINERS = frozenset((dict, list))
_QUICKLY_COUNTED = 32 * 1024


def _invalid(reason: str) -> BadRequest:
    return BadRequest("invalid_json", f"The request body is not valid JSON: {reason}.")


def _too_deep() -> BadRequest:
    return BadRequest(
        "invalid_json", f"The request body is nested more than {MAX_DEPTH} levels deep."
    )


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            # Through UTF-16, so that a lone half becomes one replacement character.
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return value
    if isinstance(value, dict):
        return {_repaired(key): _repaired(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_repaired(member) for member in value]
    return value
