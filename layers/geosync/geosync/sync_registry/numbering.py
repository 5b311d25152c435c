"""The id of a new row: given from the site's counter, counted and listed in one transaction."""

from __future__ import annotations

from contextlib import suppress

from boto3.dynamodb.conditions import Attr

from geosync.errors import Contended
from geosync.sync_registry.items import ROW, Counted
from geosync.sync_registry.site import counters, listing
from geosync.sync_registry.site.counters import Counters
from geosync.sync_registry.table.changes import Key, Store, TransactionFailed, Update


def number(store: Store, repository: str) -> int | None:
    """Give a new row its id, from the site's counter, count it and list it (see `listing`).

    None: what fails here is made up for next time. A holder that dies between the two leaves a gap in the ids; the
    number of rows and their list stay true.
    """
    given = Counters(store).next_row_id()
    row = Update(
        key=Key(repository, ROW),
        set={"id": given, "container_repository_id": given},
        when=Attr("id").not_exists() & Attr("created_at").exists(),
    )
    with suppress(TransactionFailed, Contended):
        added = counters.moved(repository, Counted(), Counted(), rows=1)
        store.transact([row, *added, *listing.entries(repository, given)])
        return given
    return None
