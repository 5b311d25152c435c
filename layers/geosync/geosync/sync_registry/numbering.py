"""The id of a new row: given from the site's counter, counted and listed in one transaction."""

from __future__ import annotations

from dataclasses import replace

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.errors import Contended
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import FAILED, ROW, SYNCED, Row
from geosync.sync_registry.site import counters, listing
from geosync.sync_registry.site.counters import Counters
from geosync.sync_registry.table.changes import Change, Key, Store, TransactionFailed, Update
from geosync.sync_registry.transitions.leases import STATES_COUNTED

TRIES = 3
"""The row may be let go, and taken again, while it is given its id."""


def number(store: Store, row: Row) -> Row:
    """Give a new row its id, from the site's counter, count it and list it (see `listing`); returns it with its id.

    The row has no id if that fails: the next holder gives it one. A holder that dies between the two leaves a gap in
    the ids; the number of rows and their list stay true.
    """
    given, found = Counters(store).next_row_id(), row
    for _ in range(TRIES):
        try:
            store.transact(_numbered(found, given))
        except TransactionFailed as refused:
            item = refused.failed.get(0)
            if item is None or "created_at" not in item:
                return row
            found = Row.from_item(item)
            if found.id is not None:
                return replace(row, id=found.id)  # somebody else was faster
        except Contended:
            return row
        else:
            return replace(row, id=given)
    return row


def _numbered(row: Row, given: int) -> list[Change]:
    """Give the row the id, if nobody has, and count it as what it is.

    A row that somebody holds is counted by its holder, who lets it go as one that has its id
    (`transitions.leases`).
    """
    state = row.state if row.lease_token is None and row.state in STATES_COUNTED else None
    change = Update(
        key=Key(row.repository, ROW),
        set={"id": given, "container_repository_id": given, **({"state_counted": state} if state else {})},
        when=Attr("id").not_exists() & Attr("created_at").exists() & _is_counted_by(state),
    )
    added = counters.moved(row.repository, Counted(), Counted(state=state), rows=1)
    return [change, *added, *listing.entries(row.repository, given)]


def _is_counted_by(state: str | None) -> ConditionBase:
    """The row is to be counted as `state`; None: as nothing, until its holder lets it go."""
    held, known = Attr("lease_token"), Attr("state")
    if state is not None:
        return held.not_exists() & known.eq(state)
    return held.exists() | (known.ne(SYNCED) & known.ne(FAILED))
