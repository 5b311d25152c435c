"""What the functions log and measure, kept for the story and for the invariants."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import ConfigurationError, GeosyncError


class Recorder:
    """Keeps log lines and metrics. `note` takes a line of the story, `fault` an error of the simulation itself."""

    def __init__(self, note: Callable[[str], None], fault: Callable[[str], None]) -> None:
        self.note = note
        self._fault = fault
        self.on_measure: Callable[[str, str, float, int | None], None] = lambda *_: None
        """Told of each metric: the site, its name, its value, and the recovery point that the site's log told last."""
        self.on_line: Callable[[Mapping[str, Any]], None] = lambda _: None
        """Told of the keys of each log line."""
        self._points: dict[str, int | None] = {}

    def logger(self, site: str) -> Any:
        """A logger for one site."""
        return QuietLogger(self, site)

    def line(self, site: str, level: str, name: str, extra: Mapping[str, Any], error: BaseException | None) -> None:
        """Take one log line."""
        if name == "recovery_point":
            self._points[site] = extra["recovery_point"]
        self.on_line(extra)
        keys = " ".join(f"{key}={value}" for key, value in extra.items() if value not in (None, "", 0, False))
        self.note(f"{site}: {level} {name} {keys}")
        if error is not None and not isinstance(error, GeosyncError | BotoCoreError | ClientError):
            trace = "".join(traceback.format_exception(error))
            self._fault(f"{site}: {name}: {trace}")

    def crashed(self, site: str, what: str, error: Exception) -> None:
        """Take an error that a handler let through; a missing setting is a fault of the simulation."""
        self.line(site, "error", what, {"reason": str(error)}, error)
        if isinstance(error, ConfigurationError):
            self._fault(f"{site}: {what}: {error}")

    def measure(self, site: str, values: Mapping[str, float]) -> None:
        """Take metrics."""
        for name, value in values.items():
            self.on_measure(site, name, value, self._points.get(site))


class QuietLogger:
    """Replaces Powertools' Logger."""

    def __init__(self, recorder: Recorder, site: str) -> None:
        self._recorder = recorder
        self._site = site

    def debug(self, *_: Any, **__: Any) -> None:
        """Say nothing."""

    @contextmanager
    def append_context_keys(self, **_: Any) -> Iterator[None]:
        """Leave out what would be added to each line."""
        yield

    def info(self, message: str, *, extra: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Take a line."""
        self._recorder.line(self._site, "info", message, extra or {}, None)

    def warning(self, message: str, *, extra: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Take a line; Powertools tells of a record's exception in this way."""
        error = sys.exception() if message.startswith("Record processing exception") else None
        self._recorder.line(self._site, "warning", message, extra or {}, error)

    def error(self, message: str, *, extra: Mapping[str, Any] | None = None, exc_info: Any = None, **_: Any) -> None:
        """Take a line."""
        error = exc_info if isinstance(exc_info, BaseException) else None
        self._recorder.line(self._site, "error", message, extra or {}, error)

    def exception(self, message: str, *, extra: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Take a line, with the error that is being handled."""
        self._recorder.line(self._site, "exception", message, extra or {}, sys.exception())
