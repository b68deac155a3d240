"""What may be kept of a value, with placeholders for what may not.

One :class:`Redactor` for each trace: equal secrets, accounts, paths, addresses and remotes get
equal numbers, wherever they stand: in headers, bodies, JSON inside texts, messages, queries and
answers. What is learned to be secret in one place (a refresh token in a member of that name) is
masked everywhere else from then on; :meth:`Redactor.redact` over what was redacted before masks
what was learned later, and otherwise changes nothing.

JSON inside a text is opened, redacted, and written again as it was spelt. Where the text was plain
ASCII, placeholders are escaped in it (``\\u27e8path:1\\u27e9``), so that it may stand in a header.

A text is kept if it is at most 200 characters long *after* masking, so that the length of a path on
the recorder's machine does not decide. Length and hash in a placeholder are those of the original.

Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fingerprints.placeholders import (
    AGENT,
    CWD,
    EMAIL,
    HOME,
    JWT,
    KNOWN_TOKEN,
    LONG,
    MEMBER,
    PARAMETER,
    PLACEHOLDER,
    REMOTE,
    SCHEME,
    SUSPECT,
    is_absolute,
    is_prose,
    is_redacted,
    keyed_number,
    known_paths,
    measure,
    named_folder,
    of_bytes,
    of_text,
)
from fingerprints.serial import ascii_text, dumps_text, loads

MAX_MASKED = 64 * 1024
"""Characters; a longer text is not searched for what must be masked: nothing of it is kept."""

MAX_OPENED = 16 * 1024 * 1024
"""Characters of JSON inside a text that is opened."""

MAX_DEPTH = 60
"""Levels of nesting that are walked; what is deeper becomes a placeholder."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET_MEMBERS = _words(
    "access_token refresh_token id_token api_key apikey openai_api_key client_secret secret "
    "authorization authorization_code code_verifier device_code device_auth_id password "
    "session_token auth_token access_key secret_key private_key assertion client_assertion "
    "subject_token encrypted_content x_codex_turn_state x_api_key proxy_authorization "
    "accesstoken refreshtoken idtoken authtoken sessiontoken clientsecret privatekey "
    "cookie set_cookie x_blob_encryption_key x_cursor_checksum x_oai_attestation attestation"
)
"""Members and headers, in lower case with ``_`` for ``-``, whose texts are secret."""

_SECRET_IF_LONG = frozenset({"token", "code", "key", "sig", "signature", "state"})
"""The same, if the text looks like no word."""

_ACCOUNT_MEMBERS = _words(
    "account_id chatgpt_account_id chatgpt_user_id account_uuid user_id default_account_id "
    "account_ordering organization_id org_id organization_uuid openai_organization openai_project "
    "device_id accountid userid workspace_id chatgpt_account_user_id sub"
)
_ACCOUNT_LISTS = frozenset({"accounts", "organizations", "orgs"})
"""Members whose items (or their keys) are accounts: ``id`` inside is an account's."""

_REMOTE_MEMBERS = _words(
    "associated_remote_urls remote_url remote_urls repository_url git_remote git_remote_url "
    "git_origin_url"
)
_PATH_MEMBERS = frozenset({"cwd", "workdir", "working_directory", "codex_home", "repo_root"})
_PATH_MAPS = frozenset({"workspaces"})
NOT_PATHS = frozenset({"agent_name", "agent_path", "parent_agent_name"})
"""Members in which ``/root`` is the name of an agent."""

_ATTRIBUTES = _words("path domain expires max-age secure httponly samesite partitioned priority")
_TEXT_DUMPERS: tuple[Callable[[Any], str], ...] = (
    ascii_text,
    dumps_text,
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: json.dumps(value, indent=2),
    lambda value: json.dumps(value, indent=2, ensure_ascii=False),
)
"""Spellings of JSON inside a text that can be kept, the likeliest first."""


class Redactor:
    """Placeholders of one trace; or, with a ``salt``, of a process that goes on and on.

    Args:
        salt: at most 64 bytes. Numbers and hashes are made from it and the value, and are not
            counted: who has not the salt can't find a value by trying.
        most: secrets, and folders, that are looked for everywhere; the oldest are forgotten. 0:
            no limit.

    Attributes:
        learned: grows with each secret, account and folder that is newly known; what was redacted
            under a smaller number may still hold it.
        notes: what could not be kept as it was, each said once.
    """

    def __init__(self, salt: bytes = b"", most: int = 0) -> None:
        self.learned = 0
        self.notes: dict[str, None] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._highest: dict[str, int] = {}
        self._everywhere: dict[str, str] = {}
        """Value to the kind of its placeholder, of what is masked wherever it stands."""
        self._folders: dict[str, None] = {}
        self._salt = salt
        self._most = most
        self._literals: re.Pattern[str] | None = None
        self._paths = HOME

    # --- what is asked ---

    def redact(self, value: Any) -> Any:
        """A JSON value."""
        return self._value(value, "", depth=0, in_tools=False, account=False)

    def text(self, text: str) -> str:
        """A text that belongs to no member: a path with its query, a message, a form."""
        return self._leaf(text, "", 0, in_tools=False)

    def binary(self, data: bytes) -> str:
        """Bytes that are no text."""
        return of_bytes(data, self._salt)

    def masked(self, text: str) -> str:
        """A line of floway's own: as :meth:`text`, and kept whatever its length is."""
        return self._masked(text)

    def know(self, value: str, kind: str = "secret") -> None:
        """A value that is masked wherever it stands from now on."""
        if len(value) >= 6 and not PLACEHOLDER.search(value):
            self._whole(value, kind, anywhere=True)

    def header(self, name: str, value: str) -> str:
        """A header's value."""
        lower = name.lower()
        if lower == "cookie":
            return "; ".join(self._cookie(part) for part in value.split("; "))
        if lower == "set-cookie":
            first, *rest = value.split("; ")
            kept = [self._attribute(part) for part in rest]
            return "; ".join([self._cookie(first), *kept])
        return str(self._value(value, lower, depth=0, in_tools=False, account=False))

    # --- values ---

    def _value(self, value: Any, name: str, *, depth: int, in_tools: bool, account: bool) -> Any:
        if isinstance(value, str):
            return self._member(value, name, depth, in_tools=in_tools, account=account)
        if not isinstance(value, dict | list | tuple):
            return value
        if depth > MAX_DEPTH:
            self.notes.setdefault(f"nested more than {MAX_DEPTH} levels: not kept")
            return of_text(json.dumps(value, ensure_ascii=False), self._salt)
        key = _plain(name)
        if isinstance(value, dict):
            return self._object(value, key, depth, in_tools=in_tools, account=account)
        in_tools = in_tools or key == "tools"
        account = account or key in _ACCOUNT_LISTS
        # The name stands for each of the items: `account_ordering: [A, B]`.
        return [
            self._value(item, name, depth=depth + 1, in_tools=in_tools, account=account)
            for item in value
        ]

    def _object(
        self, value: Mapping[str, Any], key: str, depth: int, *, in_tools: bool, account: bool
    ) -> dict[str, Any]:
        out = {}
        of_accounts = account or key in _ACCOUNT_LISTS
        for name, item in value.items():
            if key in _PATH_MAPS and is_absolute(name):
                self._learn_folder(name)
            inside = key if key in _REMOTE_MEMBERS else name  # {"origin": REMOTE}
            kept = self._leaf(name, "", depth, in_tools=False)
            out[kept] = self._value(
                item, inside, depth=depth + 1, in_tools=in_tools, account=of_accounts
            )
        return out

    def _member(self, text: str, name: str, depth: int, *, in_tools: bool, account: bool) -> str:
        key = _plain(name)
        if in_tools and key == "description":
            return text if PLACEHOLDER.fullmatch(text) else of_text(text, self._salt)
        if not text:
            return text
        if key in _SECRET_MEMBERS or (
            key in _SECRET_IF_LONG
            and len(text) >= 16
            and not re.search("[ ⟨]", text)
            and not is_prose(text)
        ):
            return self._secret(text)
        if _opens(text):
            return self._leaf(text, name, depth, in_tools=in_tools)
        if key in _ACCOUNT_MEMBERS or (account and key == "id"):
            return self._whole(text, "account", anywhere=len(text) >= 12)
        if key in _REMOTE_MEMBERS:
            return self._whole(text, "remote", anywhere=len(text) >= 8)
        if key in _PATH_MEMBERS and is_absolute(text):
            self._learn_folder(text)
        if key in NOT_PATHS and AGENT.fullmatch(text):
            return text
        return self._leaf(text, name, depth, in_tools=in_tools)

    def _leaf(self, text: str, name: str, depth: int, *, in_tools: bool) -> str:
        if _opens(text) and len(text) <= MAX_OPENED and depth <= MAX_DEPTH:
            try:
                inner = loads(text)
            except ValueError:
                inner = None
            if isinstance(inner, dict | list):
                return self._opened(text, inner, name, depth, in_tools=in_tools)
        suspect = SUSPECT.search(text) is not None
        for found in CWD.finditer(text[:MAX_MASKED]) if suspect else ():
            folder = named_folder(found)
            if folder:
                self._learn_folder(folder)
        if len(text) > MAX_MASKED or (len(text) > LONG and _is_long_prose(text)):
            return of_text(text, self._salt)
        if not suspect and (self._literals is None or not self._literals.search(text)):
            return of_text(text, self._salt) if len(text) > LONG else text
        kept = self._masked(text)
        return of_text(text, self._salt) if measure(kept) > LONG else kept

    def _opened(self, text: str, inner: Any, name: str, depth: int, *, in_tools: bool) -> str:
        kept = self._value(inner, name, depth=depth + 1, in_tools=in_tools, account=False)
        if kept == inner:
            return text
        for dump in _TEXT_DUMPERS:
            try:
                if dump(inner) == text:
                    return dump(kept)
            except (TypeError, ValueError, RecursionError):
                continue
        self.notes.setdefault(f"the JSON text in {name or 'a text'} was spelt in another way")
        return ascii_text(kept)

    # --- texts ---

    def _masked(self, text: str) -> str:
        """Everything replaced that must be. Again on what came of it it changes nothing."""
        self._reserve(text)
        for _ in range(MAX_DEPTH):  # two rounds, as a rule
            kept = self._once(text)
            if kept == text:
                break
            text = kept
        return text

    def _once(self, text: str) -> str:
        if self._literals is not None:
            text = self._literals.sub(
                lambda found: self._put(self._everywhere[found[0]], found[0]), text
            )
        text = JWT.sub(lambda found: self._learn(found[0], "jwt"), text)
        text = SCHEME.sub(self._after_keep, text)
        text = KNOWN_TOKEN.sub(self._after_keep, text)
        text = PARAMETER.sub(lambda found: found["keep"] + self._secret(found["token"]), text)
        text = MEMBER.sub(self._after_name, text)
        text = REMOTE.sub(lambda found: self._put("remote", found[0]), text)
        text = EMAIL.sub(lambda found: self._put("email", found[0]), text)
        return self._paths.sub(self._path, text)

    def _after_keep(self, found: re.Match[str]) -> str:
        token = found["token"]
        return found[0] if is_prose(token) else found["keep"] + self._secret(token)

    def _after_name(self, found: re.Match[str]) -> str:
        if found["keep"][-1] in "\"'":  # quoted: a value, and no word of a sentence
            return found["keep"] + self._secret(found["token"])
        return self._after_keep(found)

    def _path(self, found: re.Match[str]) -> str:
        path = found[0]
        rest = path[len(path.rstrip(".")) :]  # the end of a sentence
        path = path[: len(path) - len(rest)]
        end = path[len(path.rstrip("/\\")) :]
        return self._put("path", path[: len(path) - len(end)]) + end + rest

    def _secret(self, text: str) -> str:
        """A secret of whatever form; what tells its type stays."""
        if is_redacted(text):
            return text
        scheme = re.match(r"(?:[A-Za-z][A-Za-z0-9-]{0,20})[ \t]+(?=\S+$)", text)
        if scheme is not None:
            return scheme[0] + self._secret(text[scheme.end() :])
        if JWT.fullmatch(text):
            return self._learn(text, "jwt")
        known = KNOWN_TOKEN.fullmatch(text)
        if known is not None:
            return known["keep"] + self._learn(known["token"], "secret")
        return self._learn(text, "secret")

    def _cookie(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        return name + equals + self._secret(value) if equals and value else pair

    def _attribute(self, part: str) -> str:
        name = part.partition("=")[0].strip().lower()
        return self._masked(part) if name in _ATTRIBUTES else self._cookie(part)

    # --- numbers ---

    def _put(self, kind: str, value: str) -> str:
        if self._salt:
            return f"⟨{kind}:{keyed_number(kind, value, self._salt)}⟩"
        numbers = self._numbers.setdefault(kind, {})
        if value not in numbers:
            numbers[value] = self._highest[kind] = self._highest.get(kind, 0) + 1
        return f"⟨{kind}:{numbers[value]}⟩"

    def _whole(self, text: str, kind: str, *, anywhere: bool) -> str:
        if PLACEHOLDER.fullmatch(text):
            self._reserve(text)
            return text
        if anywhere and text not in self._everywhere:
            self._everywhere[text] = kind
            self._forget(self._everywhere)
            self._compile()
        return self._put(kind, text)

    def _learn(self, text: str, kind: str) -> str:
        return self._whole(text, kind, anywhere=len(text) >= 12 and not is_prose(text))

    def _learn_folder(self, path: str) -> None:
        if path not in self._folders and len(path) <= 500 and not PLACEHOLDER.search(path):
            self._folders[path] = None
            self._forget(self._folders)
            self._paths = re.compile(f"{known_paths(sorted(self._folders))}|{HOME.pattern}")
            self.learned += 1

    def _forget[V](self, known: dict[str, V]) -> None:
        if 0 < self._most < len(known):
            del known[next(iter(known))]

    def _compile(self) -> None:
        values = sorted(self._everywhere, key=lambda value: (-len(value), value))
        # A placeholder is passed over as a whole: a secret may be a word of it.
        names = "|".join(re.escape(value) for value in values)
        self._literals = re.compile(f"(?:{names})")
        self.learned += 1

    def _reserve(self, text: str) -> None:
        """Numbers that are taken by placeholders which came in with the input."""
        if "⟨" not in text:
            return
        for found in PLACEHOLDER.finditer(text):
            kind = found["kind"]
            if kind is not None:
                self._highest[kind] = max(self._highest.get(kind, 0), int(found["number"]))


def _is_long_prose(text: str) -> bool:
    """Whether it stays too long whatever is masked in it: no placeholder takes the blanks away."""
    return text.count(" ") + text.count("\n") > LONG


def is_secret_member(name: str) -> bool:
    """Whether the text of a member or header of this name is secret, whatever it looks like."""
    return _plain(name) in _SECRET_MEMBERS


def is_account_member(name: str) -> bool:
    """Whether it names an account, likewise."""
    return _plain(name) in _ACCOUNT_MEMBERS


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _opens(text: str) -> bool:
    return text[:1] in ("{", "[") and text[-1:] in ("}", "]")
