"""Files that people write for the learner: YAML, read into a model."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fingerprints.errors import ProfileError


def read[M: BaseModel](model: type[M], file: Path, described_in: str) -> M:
    """A model from its file.

    Args:
        described_in: where the fields are described, for the error.

    Raises:
        ProfileError: it cannot be read, or a field is wrong; names file, field and problem.
    """
    try:
        return model.model_validate(YAML(typ="safe").load(file.read_bytes()) or {})
    except OSError as error:
        raise ProfileError(f"cannot be read: {error.strerror}", file=file) from error
    except YAMLError as error:
        raise ProfileError(f"not YAML: {error}", file=file) from error
    except ValidationError as error:
        problem, field = first_problem(error)
        raise ProfileError(
            problem, file=file, field=field, remedy=f"The fields are described in {described_in}"
        ) from error


def first_problem(error: ValidationError) -> tuple[str, str]:
    """What is wrong first, and the path of its field."""
    first = error.errors(include_url=False)[0]
    return str(first["msg"]), ".".join(map(str, first["loc"]))
