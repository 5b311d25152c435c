"""What a notification costs: the calls that docs/costs.md reckons with."""

from __future__ import annotations

from tests.functional.notifications.parts import Post, Site, sample
from tests.support.aws_calls import counted, on_the_page


def test_a_notification_of_one_push_makes_the_calls_that_the_page_says(aws: Site, post: Post) -> None:
    post(sample("distribution-push-tag.json"))  # the token is read once a minute
    with counted() as calls:
        assert post(sample("distribution-push-tag.json"))[0] == 200
    assert dict(+calls) == on_the_page("notification of a push")


def test_a_pull_costs_no_call(aws: Site, post: Post) -> None:
    post(sample("distribution-push-tag.json"))
    with counted() as calls:
        assert post(sample("distribution-pull.json"))[0] == 200
    assert dict(+calls) == {}


def test_a_heartbeat_makes_the_calls_that_the_page_says(aws: Site, post: Post) -> None:
    post(sample("geosync-heartbeat.json"))
    with counted() as calls:
        assert post(sample("geosync-heartbeat.json"))[0] == 200
    assert dict(+calls) == on_the_page("heartbeat at a primary")
