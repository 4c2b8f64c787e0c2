"""Damaged files: an error that names the file, says what is wrong without a library's words, and what to do."""

import json
from pathlib import Path

from pydantic import ValidationError

from skysort.core.errors import SkysortError

NEXT_STEPS = {
    "damaged-run": "restore it from a backup, or train again",
    "damaged-classifier": "copy the classifier's folder again, or train again",
    "damaged-backbone": "bring the file again",
    "damaged-data": "delete it, and Skysort fetches it again",
}
"""What a person can do, by the code of the error."""


def damaged(code: str, path: Path, why: Exception | str, next_step: str = "") -> SkysortError:
    """Return the error for a file that is missing or damaged.

    Args:
        code: of the error, one of `NEXT_STEPS`.
        path: of the file.
        why: the error while it was read, or what is wrong with it.
        next_step: what to do, in place of the usual step.
    """
    next_step = next_step or NEXT_STEPS[code]
    if isinstance(why, FileNotFoundError):
        return SkysortError(code, f"{path} is missing; {next_step}")
    reason = why if isinstance(why, str) else _reason(why)
    return SkysortError(code, f"{path} is damaged: {reason}; {next_step}")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"it is not valid JSON at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, ValidationError):
        return _wrong_field(error)
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _wrong_field(error: ValidationError) -> str:
    first = error.errors()[0]
    field, ours = ".".join(map(str, first["loc"])), first.get("ctx", {}).get("error")
    if isinstance(ours, ValueError):  # from a validator of Skysort
        return f"{field}: {ours}" if field else str(ours)
    problem = {"missing": "is missing", "extra_forbidden": "is not known"}.get(first["type"], "has a wrong value")
    return f"the field '{field}' {problem}" if field else "it is not a JSON object"
