"""The page of rows that a secondary sends with its report, so that the primary can list what each site has.

A page has at most MOST_ROWS rows in MOST_BYTES, so that a report stays small. A site with fewer rows reports all of
them every minute; one with more goes through them page by page, and begins anew at the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from geosync.clock import LAST_MOMENT_MS
from geosync.errors import MalformedMessage
from geosync.oci.references import is_repository
from geosync.sync_registry.items import Row
from geosync.sync_registry.site.reported_rows import END, ReportedPage, ReportedRow
from geosync.sync_registry.sync_registry import SyncRegistry

MOST_ROWS = 100
MOST_BYTES = 6 * 1024
_STATES, _VERIFICATION_STATES = "0123", "01234"


def next_page(sync_registry: SyncRegistry, *, now_ms: int) -> ReportedPage:
    """Read the page that is to be reported next: three requests."""
    after = sync_registry.rows_report_cursor.after()
    names = sync_registry.listing.names(after=after, limit=MOST_ROWS + 1)
    rows = sync_registry.rows(names[:MOST_ROWS])
    taken: list[ReportedRow] = []
    size, last = 0, after
    for name in names[:MOST_ROWS]:
        row = _reported(rows[name]) if name in rows else None
        size += len(json.dumps(_entry(row))) if row is not None else 0
        if size > MOST_BYTES:
            break
        last = name
        if row is not None:
            taken.append(row)
    until = END if not names or last == names[-1] else last
    return ReportedPage(after=after, until=until, at=now_ms, rows=tuple(taken))


def page_fields(page: ReportedPage) -> dict[str, object]:
    """The page as a report holds it."""
    return {"after": page.after, "until": page.until, "rows": [_entry(one) for one in page.rows]}


def read_page(fields: Mapping[str, Any], *, at_ms: int) -> ReportedPage:
    """Read a page of a report of `at_ms`; raises MalformedMessage for what `page_fields` does not write."""
    try:
        rows = tuple(_row(entry) for entry in fields["rows"])
        page = ReportedPage(after=_name(fields["after"], ""), until=_name(fields["until"], END), at=at_ms, rows=rows)
    except (KeyError, TypeError, ValueError):
        raise MalformedMessage("rows_page is not a page of rows") from None
    names = [one.name for one in rows]
    if len(rows) > MOST_ROWS or names != sorted(set(names)):
        raise MalformedMessage("rows_page is not a page of rows, by name")
    if page.after >= page.until or any(not page.after < name <= page.until for name in names):
        raise MalformedMessage("rows_page has rows beyond its ends")
    return page


def _reported(row: Row) -> ReportedRow:
    return ReportedRow(
        name=row.repository,
        state=row.state,
        verification_state=row.verification_state,
        last_synced_at=row.last_synced_at,
    )


def _entry(row: ReportedRow) -> list[object]:
    return [row.name, row.state, row.verification_state, row.last_synced_at]


def _row(entry: list[Any]) -> ReportedRow:
    """Read an entry; raises ValueError."""
    name, state, verification_state, last_synced_at = entry
    known = state in set(_STATES) and verification_state in set(_VERIFICATION_STATES)
    if not known or (last_synced_at is not None and not _is_moment(last_synced_at)):
        raise ValueError("no row")
    return ReportedRow(
        name=_name(name, None), state=state, verification_state=verification_state, last_synced_at=last_synced_at
    )


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST_MOMENT_MS


def _name(text: object, end: str | None) -> str:
    """Read the name of a repository, or the `end` of all names; raises ValueError."""
    if isinstance(text, str) and (text == end or is_repository(text)):
        return text
    raise ValueError("no name of a repository")
