"""The logs of a site's functions, as far as a check reads them: by words, of the last minutes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from geosync.cli.site import StackSite

LOG_PAGES = 20
"""Pages of a log that are read at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLines:
    """The lines of a log that have the words that were looked for; not `is_whole`: there was more than was read."""

    lines: list[dict[str, object]]
    is_whole: bool


def search(site: StackSite, function: str, words: str, minutes: int) -> FoundLines:
    """Read the lines with `words` in a function's log, of the last `minutes`; `function` is the name of its output."""
    client, token, lines = site.client("logs"), None, list[dict[str, object]]()
    asked = {
        "logGroupName": f"/aws/lambda/{site.outputs[function]}",
        "startTime": site.clock.now_ms() - minutes * 60_000,
        "filterPattern": f'"{words}"',
    }
    for _ in range(LOG_PAGES):
        page = client.filter_log_events(**asked, **({"nextToken": token} if token is not None else {}))
        lines += [line for entry in page["events"] if (line := json_object(entry["message"])) is not None]
        token = page.get("nextToken")
        if token is None:
            return FoundLines(lines=lines, is_whole=True)
    return FoundLines(lines=lines, is_whole=False)


def read_log(site: StackSite, function: str, event: str, minutes: int) -> list[dict[str, object]]:
    """Read the lines named `event`, as `search` does; there may be more of them."""
    return [line for line in search(site, function, event, minutes).lines if line.get("message") == event]


def json_object(text: str) -> dict[str, Any] | None:
    """A log line as JSON, None for another one."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
