"""What every kind of fault has, and the places in an answer at which it can happen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

type Inside = Literal["before_output", "after_output"] | Annotated[int, Field(ge=0)]
"""A place in an answer: before or after its first piece of output, or after so many events."""
type Place = Literal["before_headers"] | Inside


class Strict(BaseModel):
    """Members that are not known are refused, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FaultBase(Strict):
    """A kind of fault."""

    delay: float = Field(default=0.0, ge=0, le=3600)
    """Seconds to wait first, with every kind."""

    phases: ClassVar[frozenset[str]] = frozenset({"http", "upgrade", "frame"})
    """Where it can apply; a request in another phase passes and does not use it up."""
