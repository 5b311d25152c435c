"""What a push costs at a secondary: the calls that docs/costs.md reckons with."""

from __future__ import annotations

from tests.functional.sync.parts import DONE, Site, handle, push, sample
from tests.support.aws_calls import counted, on_the_page


def test_a_push_makes_the_calls_that_the_page_says(site: Site, repository: str) -> None:
    handle(push(site.make.image(repository, "before")))  # the secrets are read once in five minutes
    event = site.deliver(push(site.make.image(repository, "v1")))
    with counted() as calls:
        assert handle(event) == DONE
    assert dict(+calls) == on_the_page("sync of a push")


def test_the_same_push_again_makes_the_calls_that_the_page_says(site: Site, repository: str) -> None:
    event = push(site.make.image(repository, "v1"))
    handle(event)
    again = site.deliver(event)
    with counted() as calls:
        assert handle(again) == DONE
    assert dict(+calls) == on_the_page("sync of a push that was seen already")


def test_a_heartbeat_makes_the_calls_that_the_page_says(site: Site) -> None:
    event = sample("sync-heartbeat.json")
    handle(event)
    with counted() as calls:
        assert handle(event) == DONE
    assert dict(+calls) == on_the_page("heartbeat at a secondary")
