"""Placeholders: how they are written, and the patterns of what they stand for.

Which placeholder stands for what is told in :mod:`fingerprints.trace`. The patterns err on the
side of masking: a word too many that reads ``⟨path:3⟩`` costs nothing, a token kept does.
"""

from __future__ import annotations

import hashlib
import re

LONG = 200
"""Characters; a longer text is not kept."""

NUMBERED = ("jwt", "secret", "account", "path", "email", "remote")

PLACEHOLDER = re.compile(
    r"⟨(?:(?P<kind>" + "|".join(NUMBERED) + r"):(?P<number>[1-9][0-9]{0,8})"
    r"|(?:text|binary):[0-9]+:[0-9a-f]{8})⟩"
)
"""Any placeholder."""

WRITTEN = re.compile(
    r"(?P<open>⟨|\\+u27e8)(?P<kind>" + "|".join(NUMBERED) + r"):(?P<number>[1-9][0-9]{0,8})"
    r"(?P<close>⟩|\\+u27e9)"
)
"""A numbered placeholder as it stands in a trace's file: JSON inside JSON escapes its brackets."""

JWT = re.compile(
    r"(?<![A-Za-z0-9_-])ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){1,3}"
)
"""A signed, unsigned or encrypted JSON web token."""

SCHEME = re.compile(
    r"(?P<keep>\b(?:[Bb]earer|BEARER|[Bb]asic|BASIC)[ \t]+)(?P<token>[A-Za-z0-9._~+/-]{8,}=*)"
)
"""A token after its type, in any text. A word without a digit is prose, see :func:`is_prose`."""

KNOWN_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?P<keep>sk-|crsr_|gh[oprsu]_|github_pat_|glpat-|npm_|xox[abeoprs]-|hf_"
    r"|AIza|AKIA|ya29\.)(?P<token>[A-Za-z0-9_-]{8,})"
)
"""Tokens that their first letters give away; those stay."""

PARAMETER = re.compile(
    r"(?P<keep>(?:^|(?<=[?&#;]))(?:access_token|refresh_token|id_token|api_key|apikey|key|token|code"
    r"|code_verifier|client_secret|password|assertion|client_assertion|subject_token|device_code"
    r"|session_token|sig|signature|state)=)(?P<token>[^&#\s\"'<>⟨⟩]{6,})",
    re.I,
)
"""A secret in a query or a form."""

MEMBER = re.compile(
    r"(?P<keep>(?:token|api[_-]?key|secret|password"
    r"|passwd|authorization|cookie|account[_-]id|user[_-]id|turn[_-]state|attestation|assertion"
    r"|code[_-]verifier|device[_-]code|encrypted[_-]content|private[_-]key|session[_-]key)"
    r"(?<!⟨secret)"  # that is no name, but a placeholder
    r"\\?[\"']?\s{0,4}[:=,]\s{0,4}b?\\?[\"']?(?:(?:bearer|basic)\s{1,4})?)"
    r"(?P<token>[^\s\"'\\,;&{}\[\]()<>⟨⟩]{8,}(?:;\s?[^\s\"'\\,;&{}⟨⟩=]{1,64}=[^\s\"'\\,;&{}⟨⟩]+)*)",
    re.I,
)
"""A secret after its name, in a text that quotes a header, a JSON member or a ``repr``."""

EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}(?:@|%40)"
    r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9.-]*[A-Za-z0-9])"
)

REMOTE = re.compile(
    r"(?:\bgit@[A-Za-z0-9.-]{1,253}:[^\s\"'<>⟨⟩\\]{1,500}"
    r"|\b(?:ssh|git)://[^\s\"'<>⟨⟩\\]{1,500}"
    r"|\bhttps?://[^\s\"'<>⟨⟩\\/]{1,253}/[^\s\"'<>⟨⟩\\]{1,500}?\.git\b)"
)

BELOW = r"(?:[/\\][^\s\"'`<>|⟨⟩,;:()\[\]{}*?\\/]+)*[/\\]?"
"""What may follow a folder's path."""

_BEFORE = r"(?:(?<=file://)|(?<![A-Za-z0-9_.~/⟩-]))"
HOME = re.compile(
    _BEFORE + r"(?:(?:/private)?/(?:home|Users|root|tmp|var/folders|var/tmp|data/user|mnt/[a-z])"
    r"(?=/[^\s\"'`<>|⟨⟩,;:()\[\]{}*?\\/])"
    r"|[A-Za-z]:(?:\\{1,2}|/)Users(?=[/\\]))" + BELOW
)
"""A path below a home or a temporary folder."""

AGENT = re.compile(r"/root(?:/[A-Za-z0-9_-]{1,64}){0,8}")
"""The name of an agent, which looks like a path."""

CWD = re.compile(
    r"<cwd>\s*(?P<path>(?:/|[A-Za-z]:\\)[^\n<>\"'`⟨⟩]{1,500}?)\s*</cwd>"
    r"|\b(?:working directory|workspace|cwd)\b[^\n/\\:]{0,24}:\s*[\"'`]?"
    r"(?P<word>(?:/|[A-Za-z]:\\)[^\s<>\"'`⟨⟩]{1,500})",
    re.I,
)
"""Where a text for the model names the folder that the client works in."""


def known_paths(folders: list[str]) -> str:
    """Source of a pattern for folders that were seen, and everything below them."""
    names = "|".join(re.escape(folder) for folder in sorted(folders, key=len, reverse=True))
    return rf"{_BEFORE}(?:{names})(?![A-Za-z0-9_-]){BELOW}"


SUSPECT = re.compile(
    r"[@/\\=⟨]|%40|ey[A-Za-z0-9_-]{8}|[Bb]earer|BEARER|[Bb]asic|BASIC|sk-|crsr_|gh[oprsu]_"
    r"|github_pat_|glpat-|npm_|xox|hf_|AIza|AKIA|ya29"
)
"""Finds something in every text in which one of the patterns above does: most have nothing."""


def named_folder(found: re.Match[str]) -> str:
    """The folder of a match of :data:`CWD`; "" when it is none (a root, a word)."""
    folder = (found["path"] or found["word"]).rstrip(" /\\.,;")
    return folder if is_absolute(folder) else ""


def is_absolute(path: str) -> bool:
    """Whether it names a folder of a machine (and more than a root)."""
    return bool(re.match(r"(?:/[^/\s]|[A-Za-z]:[\\/][^\\/\s]|\\\\[^\\\s])", path))


def is_prose(token: str) -> bool:
    """Whether a "token" is more likely a word of a sentence: short and without a digit."""
    return len(token) < 24 and not any(char.isdigit() for char in token)


def is_redacted(text: str) -> bool:
    """Whether it is a placeholder, perhaps after what tells its type."""
    found = PLACEHOLDER.search(text)
    return found is not None and found.end() == len(text) and _kept_head(text[: found.start()])


def _kept_head(head: str) -> bool:
    head = re.sub(r"^[A-Za-z][A-Za-z0-9-]{0,20}[ \t]+", "", head)
    return not head or KNOWN_TOKEN.fullmatch(head + "12345678") is not None


def of_text(text: str, salt: bytes = b"") -> str:
    """``⟨text:LENGTH:HASH⟩``."""
    return f"⟨text:{len(text)}:{_hash(text.encode('utf-8', 'surrogatepass'), salt)}⟩"


def of_bytes(data: bytes, salt: bytes = b"") -> str:
    """``⟨binary:LENGTH:HASH⟩``."""
    return f"⟨binary:{len(data)}:{_hash(data, salt)}⟩"


def keyed_number(kind: str, value: str, salt: bytes) -> int:
    """A number of nine digits for a value, the same wherever the salt is: nobody counts."""
    data = f"{kind}:{value}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(data, key=salt, digest_size=8).digest()
    return 100_000_000 + int.from_bytes(digest) % 900_000_000


def measure(text: str) -> int:
    """Length in characters, where the number of a placeholder counts as none of them.

    So it does not change when placeholders are numbered anew.
    """
    if "⟨" not in text:
        return len(text)
    return len(text) - sum(len(found["number"] or "") for found in PLACEHOLDER.finditer(text))


def _hash(data: bytes, salt: bytes) -> str:
    """Without a salt it is the same everywhere, as recordings of two machines are compared."""
    if salt:
        return hashlib.blake2b(data, key=salt, digest_size=4).hexdigest()
    return hashlib.sha256(data).hexdigest()[:8]
