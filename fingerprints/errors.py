"""Errors of the fingerprint library. Each says what is wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class FingerprintError(Exception):
    """Base of everything this package raises on purpose."""


class ProfileError(FingerprintError):
    """A profile cannot be found, read or used.

    Attributes:
        file: the file, None when the profile was not found or not read from one.
        line: one-based line in ``file``, None when it has no place.
        field: path inside the profile, e.g. ``headers.responses[3].value``; "" for the whole.
        problem: what is wrong.
        remedy: what to do.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | None = None,
        line: int | None = None,
        field: str = "",
        remedy: str = "",
    ) -> None:
        self.file = file
        self.line = line
        self.field = field
        self.problem = problem
        self.remedy = remedy
        super().__init__(self._text())

    def _text(self) -> str:
        place = "profile" if self.file is None else self.file.name
        if self.line is not None:
            place += f":{self.line}"
        if self.field:
            place += f": {self.field}"
        text = f"{place}: {self.problem}"
        return f"{text}. {self.remedy}" if self.remedy else text


class TraceError(FingerprintError):
    """A trace cannot be read, or is not what it must be for this use.

    Attributes:
        file: the file, None when it was not read from one.
        field: path inside the trace, e.g. ``exchanges.3.headers``; "" for the whole.
        problem: what is wrong.
        remedy: what to do.
    """

    def __init__(
        self, problem: str, *, file: Path | None = None, field: str = "", remedy: str = ""
    ) -> None:
        self.file = file
        self.field = field
        self.problem = problem
        self.remedy = remedy
        place = "trace" if file is None else str(file)
        text = f"{place}: {field}: {problem}" if field else f"{place}: {problem}"
        super().__init__(f"{text}. {remedy}" if remedy else text)


class MissingRole(FingerprintError):
    """The profile always sends a field, and the caller gave no value for the role behind it.

    Attributes:
        role: the role, see :mod:`fingerprints.roles`; for a field that only the caller's content
            can fill, the member's path.
        field: where the profile puts it, e.g. ``header:session-id``.
    """

    def __init__(self, role: str, field: str) -> None:
        self.role = role
        self.field = field
        super().__init__(
            f"{field} is always sent by this release, and role {role!r} has no value. "
            f"Give it in roles; values are never made up here."
        )


class UnknownMembers(FingerprintError):
    """The caller's body has members that the profile does not know, and nowhere to report them.

    Attributes:
        paths: the members, e.g. ``metadata``, ``reasoning.budget``.
    """

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        super().__init__(
            f"the profile does not know {', '.join(paths)}. "
            "Pass notes=[] to have them reported and left out, or unknown='keep' to send them."
        )


class IllegalHeader(FingerprintError):
    """A role's value cannot stand in a header: it has a control character or a non-Latin one.

    Attributes:
        field: the header, e.g. ``header:user-agent``.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(
            f"{field} would hold a character that HTTP does not allow. "
            "Replace it in the role's value (the official client writes _)"
        )
