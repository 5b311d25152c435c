"""What a push costs in functions/log_cursor: the calls that docs/costs.md reckons with."""

from __future__ import annotations

from tests.functional.log_cursor.parts import DIGEST, DONE, Site, handle, heartbeat, push
from tests.support.aws_calls import counted, on_the_page

from geosync.sync_registry.items import Reference, Seen


def test_a_push_makes_the_calls_that_the_page_says(site: Site) -> None:
    handle(push("group/app", "before"))
    with counted() as calls:
        assert handle(push("group/app")) == DONE
    assert dict(+calls) == on_the_page("intake of a push")


def test_a_batch_of_ten_pushes_makes_the_calls_that_the_page_says(site: Site) -> None:
    names = [f"group/app-{number}" for number in range(10)]
    handle(*(push(name, "before") for name in names))
    with counted() as calls:
        assert handle(*map(push, names)) == DONE
    assert dict(+calls) == on_the_page("intake of ten pushes at once")


def test_a_push_that_was_seen_already_makes_the_calls_that_the_page_says(site: Site) -> None:
    lease = site.sync_registry.acquire("group/app")
    assert lease is not None
    later = 2_000_000_000_000
    site.sync_registry.record(lease, [(Reference.tag("v1"), Seen(digest=DIGEST, looked_at=later, seen_at=later))])
    site.sync_registry.release(lease)
    handle(heartbeat())  # a new execution environment notes its selection first
    with counted() as calls:
        assert handle(push("group/app")) == DONE
    assert dict(+calls) == on_the_page("intake of a push that was seen already")


def test_a_heartbeat_makes_the_calls_that_the_page_says(site: Site) -> None:
    handle(heartbeat())
    with counted() as calls:
        assert handle(heartbeat()) == DONE
    assert dict(+calls) == on_the_page("heartbeat at a secondary")
