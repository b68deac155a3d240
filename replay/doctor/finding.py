"""One line of what the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"  # good to know; nothing has to be done
    WARNING = "warning"  # something will not work, or not for long
    FAULT = "fault"  # floway, or an account, does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Attributes:
        check: what was looked at, in a word or two.
        told: what was found.
        remedy: what to do; never empty for a warning or a fault.
    """

    check: str
    grade: Grade
    told: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.grade in (Grade.WARNING, Grade.FAULT) and not self.remedy:
            raise ValueError(f"{self.check}: no remedy for {self.told!r}")


def ok(check: str, told: str) -> Finding:
    return Finding(check, Grade.OK, told)


def note(check: str, told: str, remedy: str = "") -> Finding:
    return Finding(check, Grade.NOTE, told, remedy)


def warning(check: str, told: str, remedy: str) -> Finding:
    return Finding(check, Grade.WARNING, told, remedy)


def fault(check: str, told: str, remedy: str) -> Finding:
    return Finding(check, Grade.FAULT, told, remedy)
