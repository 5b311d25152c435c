"""Many tags that leave the selection at once wait for an operator, and then go or stay."""

from __future__ import annotations

from tests.integration.comparing.outside import fill, finding, here, primary, resync, secondary, select, walk, work_off
from tests.integration.secondary import Secondary
from tests.support.images import ImageMaker
from tests.support.proxy import Status

from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import KEEP, SYNCED, Reference

__all__ = ["primary", "secondary"]  # fixtures

# --------------------------------------------------------------------------------------------------------- the breaker


def test_beyond_the_share_it_waits_for_an_operator_and_a_missing_tag_waits_with_it(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "dev", "old", "test")
    select(secondary, include_tags="v*")

    for _ in range(3):
        resync(secondary, repository)

    assert here(secondary, images) == list(images)
    state = secondary.sync_registry.breaker.state()
    assert state.reason == f"3 of the 5 tags of {repository} are outside the selection"
    assert "DELETE" not in {method for method, _ in secondary.secondary_proxy.counts()}

    secondary.sync_registry.breaker.resume()
    resync(secondary, repository)
    assert here(secondary, images) == ["v1", "v2"]


def test_what_is_selected_again_lifts_the_suspension(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    images = fill(secondary, make, repository, "v1", "dev", "old")
    select(secondary, include_tags="v*")
    resync(secondary, repository)
    assert secondary.sync_registry.breaker.state().suspended

    select(secondary)
    resync(secondary, repository)

    assert not secondary.sync_registry.breaker.state().suspended
    assert here(secondary, images) == list(images)


def test_a_breaker_that_trips_after_the_mark_stops_the_removal(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "dev")
    select(secondary, include_tags="v*")
    resync(secondary, repository)
    secondary.secondary_proxy.add(Status(status=503, method="DELETE", times=1))
    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())
    assert [one.reference.value for one in secondary.owed(repository)] == ["dev"]
    secondary.sync_registry.breaker.count_outside("another", new=1, outside=1, of=1)

    work_off(secondary)

    assert here(secondary, images) == ["v1", "v2", "dev"]


# ------------------------------------------------------------------------------------------------- whole repositories


def test_a_repository_outside_goes_once_an_operator_says_so_and_its_row_with_it(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2")
    stays = fill(secondary, make, f"{repository}-stays", "v1")
    secondary.sync_registry.mark(repository, Reference.tag("owed"))
    select(secondary, include_repositories="*/*-stays")
    secondary.reset()

    for _ in range(3):
        walk(secondary)

    assert here(secondary, images) == ["v1", "v2"]
    assert not any(f"{repository}/" in target for _, target in secondary.primary_proxy.counts())
    assert secondary.row(repository).state == SYNCED, "nothing is owed there; the row stays while its tags do"
    assert finding(secondary, repository).outside_names == ("v1", "v2")
    reason = f"2 of the 2 tags of {repository} are outside the selection"
    assert secondary.sync_registry.breaker.state().reason == reason

    secondary.sync_registry.breaker.resume()
    walk(secondary)
    assert here(secondary, images) == []
    walk(secondary)
    assert secondary.sync_registry.row(repository) is None
    assert secondary.sync_registry.findings.get(repository) is None
    assert here(secondary, stays) == ["v1"]


def test_a_repository_outside_that_an_operator_keeps_stays_and_lifts_the_suspension(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2")
    select(secondary, exclude_repositories=repository)
    walk(secondary)
    assert secondary.sync_registry.breaker.state().suspended

    resync(secondary, repository, if_absent=KEEP)
    walk(secondary)

    assert here(secondary, images) == ["v1", "v2"]
    assert secondary.sync_registry.row(repository) is None
    assert not secondary.sync_registry.breaker.state().suspended


def test_what_is_parked_in_a_repository_outside_does_not_keep_its_row(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    fill(secondary, make, repository, "v1")
    secondary.sync_registry.mark(repository, Reference.tag("bad"))
    lease = secondary.sync_registry.acquire(repository)
    assert lease is not None
    (bad,) = secondary.sync_registry.due(repository)
    secondary.sync_registry.fail(bad, "it is broken", parked=True)
    secondary.sync_registry.release(lease)
    select(secondary, exclude_repositories=repository)
    walk(secondary)
    secondary.sync_registry.breaker.resume()

    walk(secondary)
    walk(secondary)

    assert secondary.sync_registry.row(repository) is None
