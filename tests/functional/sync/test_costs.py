"""What a push costs in functions/sync: the calls that docs/costs.md reckons with."""

from __future__ import annotations

from tests.functional.sync.parts import DONE, Site, handle, push, sample
from tests.support.aws_calls import counted, on_the_page

from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Mark


def test_a_wake_makes_the_calls_that_the_page_says(site: Site, repository: str) -> None:
    handle(push(site.make.image(repository, "before")))  # the secrets are read once in five minutes
    made = site.make.image(repository, "v1")
    site.sync_registry.mark(repository, Reference.tag("v1"), Mark(expects=made.digest))
    site.sync_registry.tell(repository)
    with counted() as calls:
        assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert dict(+calls) == on_the_page("sync of a push")


def test_a_look_at_a_tag_that_has_not_changed_makes_no_more_calls_than_a_push(site: Site, repository: str) -> None:
    handle(push(site.make.image(repository, "v1")))
    site.sync_registry.ask(repository, Reference.tag("v1"))
    site.sync_registry.tell(repository)
    with counted() as calls:
        assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert not site.sync_registry.owed(repository)
    most = on_the_page("sync of a push")
    assert {name: number for name, number in calls.items() if number > most.get(name, 0)} == {}


def test_a_wake_hands_over_what_it_measured_and_writes_none_of_it(site: Site, repository: str) -> None:
    made = site.make.image(repository, "v1")
    handle(push(made))
    site.measured()
    made = site.make.image(repository, "v2")
    handle(push(made))
    (said,) = site.measured()
    assert [pushes for _, pushes in said["lags_ms"]] == [1]
    assert said["synced"] == 1
    assert said["bytes"] > 0
    assert said["requests"] >= 7
    assert not [item for _, item in site.items() if item.startswith("lag#")]
