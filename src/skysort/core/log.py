"""Log lines: an event and facts, as text for people or as JSON for programs."""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any, Literal

from skysort.core.errors import SkysortError
from skysort.core.text import printable

log = logging.getLogger("skysort")


def tell(level: int, event: str, **facts: Any) -> None:
    """Log an event, with facts that a program can read from the line."""
    log.log(level, event, extra={"facts": facts})


def as_text(error: BaseException) -> str:
    """Return an error's message: for an OSError its files and reason, for a bug the error's class too."""
    if isinstance(error, OSError) and error.strerror:
        files = [os.fsdecode(file) for file in (error.filename, error.filename2) if isinstance(file, str | bytes)]
        return ": ".join([" to ".join(files), error.strerror]) if files else error.strerror
    return str(error) if isinstance(error, OSError | SkysortError) else f"{type(error).__name__}: {error}"


def log_to_stderr(form: Literal["text", "json"]) -> None:
    """Send this process's log lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)


def iso_time(seconds: float) -> str:
    """Return a time in UTC, such as 2026-11-22T06:12:00.250Z.

    Args:
        seconds: since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_time(seconds: float) -> str:
    """Return a time in UTC for people, such as 2026-11-22 06:12 UTC.

    Args:
        seconds: since 1970.
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


class TextLines(logging.Formatter):
    """Formats time, level, event, and facts as `name=value`, with control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = [f"{name}={_shown(value)}" for name, value in getattr(record, "facts", {}).items()]
        event = printable(record.getMessage())
        return " ".join([iso_time(record.created), f"{record.levelname.lower():<7}", event, *facts])


class JsonLines(logging.Formatter):
    """Formats one JSON object per line. File names that are not UTF-8 keep their bytes as lone surrogates."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        head = {"time": iso_time(record.created), "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(head | getattr(record, "facts", {}))


def _shown(value: object) -> str:
    text = printable(f"{value:.4g}" if isinstance(value, float) else str(value))
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text
