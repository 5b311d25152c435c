"""Events while AWS throttles, with AWS's own answers: each is marked, or its message comes again."""

from __future__ import annotations

from tests.functional.log_cursor.parts import DONE, Site, again, handle, push
from tests.support.throttled import throttled

NAMES = [f"group/app-{number}" for number in range(10)]


def test_what_dynamodb_does_not_take_comes_again(site: Site) -> None:
    with throttled("dynamodb") as throttle:
        assert handle(*map(push, NAMES)) == again(*range(10))
    assert throttle.refused["dynamodb:BatchGetItem"] > 1, "the SDK has tried again"
    assert site.dead_letters() == []
    assert handle(*map(push, NAMES)) == DONE
    assert [site.owed(name) for name in NAMES] == [["tag#v1"]] * 10


def test_what_is_read_in_part_is_read_to_its_end(site: Site) -> None:
    handle(*map(push, NAMES))
    with throttled("dynamodb", every=3) as throttle:
        assert handle(*(push(name, "v2") for name in NAMES)) == DONE
    assert throttle.halved["dynamodb:BatchGetItem"] > 0
    assert [sorted(site.owed(name)) for name in NAMES] == [["tag#v1", "tag#v2"]] * 10


def test_what_is_marked_needs_no_wake_that_sqs_takes(site: Site) -> None:
    with throttled("sqs", every=2) as throttle:
        assert handle(*map(push, NAMES)) == DONE
        assert handle(*(push(name, "v2") for name in NAMES)) == DONE
    assert throttle.refused.total() + throttle.halved.total() > 0
    assert all(site.owed(name) for name in NAMES), "the sweep wakes whom no wake reached"
    assert site.dead_letters() == []
