"""What a minute without work costs: the calls that docs/costs.md reckons with."""

from __future__ import annotations

from tests.functional.reconcile.parts import Endpoint, Site, minute
from tests.support.aws_calls import counted, on_the_page

from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.table.changes import Update


def test_a_minute_of_a_secondary_makes_the_calls_that_the_page_says(site: Site) -> None:
    site.walked(started_at=SYSTEM_CLOCK.now_ms())  # nothing is to be compared before tomorrow
    site.store.write(Update(key=catalogue_item.KEY, set={"following": site.topic_arn, "proved_at": 1, "settled_at": 1}))
    site.subscribe()
    with counted() as calls:
        assert set(minute().values()) == {"done"}
    assert dict(+calls) == on_the_page("minute of a secondary")


def test_a_minute_of_a_primary_makes_the_calls_that_the_page_says(endpoint: Endpoint) -> None:
    minute()
    with counted() as calls:
        assert set(minute().values()) == {"done"}
    assert dict(+calls) == on_the_page("minute of a primary")
