"""The minute decides whether deletes by comparison are suspended, once no event waits that may have announced them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.functional.reconcile.parts import Site, minute
from tests.support.noted import note_finding

from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.items import ABSENT, Reference
from geosync.sync_registry.site import breaker
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.transitions.marks import Mark

REPOSITORY = "group/app"
NUMBER = 4


@pytest.fixture
def missed(site: Site) -> list[str]:
    """All tags of a repository, which a comparison missed two minutes ago."""
    two_minutes_ago = SYSTEM_CLOCK.now_ms() - 120_000
    tags = [f"v{number}" for number in range(NUMBER)]
    for tag in tags:
        seen = {
            "digest": "sha256:a",
            "looked_at": 1,
            "seen_at": 1,
            "missing_since": two_minutes_ago,
            "primary": site.topic_arn,
        }
        site.store.write(Update(key=Key(REPOSITORY, Reference.tag(tag).seen_key), set=seen))
    note_finding(site.store, Finding(repository=REPOSITORY, found_at=1, of=NUMBER, missing=NUMBER), None)
    doubt = {"doubted_at": two_minutes_ago, "doubt": "all of them", "doubts": 1, "found": NUMBER}
    site.store.write(Update(key=breaker.KEY, set=doubt))
    return tags


def state(site: Site) -> breaker.State:
    return site.sync_registry.breaker.state()


@pytest.mark.usefixtures("missed")
def test_what_nobody_announced_is_suspended_once_the_queue_is_empty(
    site: Site, log: Callable[[], list[dict[str, Any]]]
) -> None:
    site.sqs.send_message(QueueUrl=site.events_url, MessageBody="{}")
    assert minute()["recovery"] == "done"
    assert (state(site).stops, state(site).suspended) == (True, False)

    site.sqs.purge_queue(QueueUrl=site.events_url)
    assert minute()["recovery"] == "done"

    assert state(site).reason == f"{NUMBER} of the {NUMBER} tags of {REPOSITORY} are missing at the primary"
    assert "deletes_suspended" in {line["message"] for line in log()}


def test_deletes_that_were_announced_meanwhile_suspend_nothing(site: Site, missed: list[str]) -> None:
    for tag in missed:
        site.sync_registry.mark(REPOSITORY, Reference.tag(tag), Mark(expects=ABSENT))
    minute()
    assert not state(site).stops
    assert state(site).found == 0


@pytest.mark.parametrize("why", [{"outside_since": 1}, {"primary": "arn:aws:sns:eu-west-1:000000000000:former"}])
def test_the_share_of_missing_tags_leaves_out_tags_outside_and_of_a_former_primary(
    site: Site, missed: list[str], why: dict[str, Any]
) -> None:
    """A comparison does not count them: it would doubt for ever what the minute lets go on, and nothing would go."""
    for number in range(2 * len(missed)):
        seen = {"digest": "sha256:a", "looked_at": 1, "seen_at": 1, "primary": site.topic_arn, **why}
        site.store.write(Update(key=Key(REPOSITORY, Reference.tag(f"dev{number}").seen_key), set=seen))
    minute()
    assert state(site).reason == f"{NUMBER} of the {NUMBER} tags of {REPOSITORY} are missing at the primary"


@pytest.mark.usefixtures("missed")
def test_a_fresh_doubt_waits_as_a_queue_s_counts_are_right_only_after_a_minute(site: Site) -> None:
    site.store.write(Update(key=breaker.KEY, set={"doubted_at": SYSTEM_CLOCK.now_ms()}))
    minute()
    assert (state(site).stops, state(site).suspended) == (True, False)


def test_the_limits_are_the_site_s(site: Site, missed: list[str], aws: pytest.MonkeyPatch) -> None:
    aws.setenv("BREAKER_SHARE", "100")
    aws.setenv("BREAKER_TAGS", str(len(missed)))
    minute()
    assert not state(site).stops
