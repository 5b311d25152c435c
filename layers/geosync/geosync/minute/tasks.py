"""A minute's tasks, run separately: one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import GeosyncError
from geosync.minute.reporting import MinuteReporter

Task = Callable[[], object]


def run(tasks: Mapping[str, Task], reporter: MinuteReporter) -> dict[str, str]:
    """Run the tasks in their order; the answer says how each ended: `done`, or the name of the error."""
    return {name: _attempt(name, task, reporter) for name, task in tasks.items()}


def _attempt(name: str, task: Task, reporter: MinuteReporter) -> str:
    try:
        task()
    except (GeosyncError, BotoCoreError, ClientError) as error:
        reporter.failed(name, error)
        return type(error).__name__
    return "done"
