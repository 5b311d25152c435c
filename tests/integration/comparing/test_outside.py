"""What leaves the selection: under OutsideSelection=remove it goes, by the rules of deletes; else it stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, event, pushed, quick
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Status

from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.pair.selection import Selection
from geosync.sync_registry.items import KEEP, SYNCED, Reference
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.site.findings import Finding

WINDOW = 0.3
QUICK = quick(settle=0.3, suspect=0.3)


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    """A registry with nothing in it but what the test pushes."""
    return Place(registry=start_registry(RegistrySpec(name="selected")))


@pytest.fixture
def secondary(primary: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=WINDOW), removes_outside=True)
    yield one
    one.close()


def select(secondary: Secondary, **patterns: str) -> None:
    secondary.registries = replace(secondary.registries, selection=Selection.parse(**patterns))
    secondary.open()


def fill(secondary: Secondary, make: ImageMaker, repository: str, *tags: str) -> dict[str, Made]:
    images = {tag: make.image(repository, tag, layers=1) for tag in tags}
    secondary.receive(*map(pushed, images.values()))
    return images


def work_off(secondary: Secondary) -> None:
    secondary.sweep_until(lambda: not any(key.item.startswith("owed#") for key in secondary.store.table))
    secondary.have_passed(WINDOW)


def walk(secondary: Secondary) -> None:
    """Compare everything, work off what that brings, and let the window pass."""
    secondary.receive(CatalogueMessage().to_json())
    work_off(secondary)


def resync(secondary: Secondary, repository: str, *tags: str, if_absent: str | None = None) -> None:
    references = tuple(map(Reference.tag, tags)) or (Reference.whole(),)
    message = WorkMessage(repository=repository, reason="resync", references=references, if_absent=if_absent)
    secondary.receive(message.to_json())
    work_off(secondary)


def here(secondary: Secondary, images: dict[str, Made]) -> list[str]:
    """The tags that the secondary has as they were pushed."""
    return [tag for tag, made in images.items() if secondary.digest(made.repository, tag) == made.digest]


def put(secondary: Secondary, made: Made, tag: str) -> None:
    """Somebody tags an image at the secondary."""
    url = f"{secondary.secondary_proxy.url}/v2/{made.repository}/manifests/{tag}"
    answer = requests.put(url, data=made.content, headers={"Content-Type": made.media_type}, timeout=60)
    assert answer.status_code == 201


def finding(secondary: Secondary, repository: str) -> Finding:
    found = secondary.sync_registry.findings.get(repository)
    assert found is not None
    return found


# --------------------------------------------------------------------------------------------------------------- tags


def test_a_tag_outside_is_removed_by_the_second_comparison_that_finds_it_there(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "dev")
    images["again"] = make.retag(images["dev"], "v3")
    images["v3"] = images.pop("again")
    secondary.receive(pushed(images["v3"]))
    select(secondary, include_tags="v*")

    resync(secondary, repository)

    found = finding(secondary, repository)
    assert (found.outside, found.outside_names, found.of, found.missing) == (1, ("dev",), 3, 0)
    assert here(secondary, images) == ["v1", "v2", "dev", "v3"]
    assert not secondary.sync_registry.breaker.state().suspended
    secondary.reset()

    resync(secondary, repository)

    assert here(secondary, images) == ["v1", "v2", "v3"], "another tag of the same image stays"
    assert secondary.row(repository).state == SYNCED
    assert not any("dev" in target for _, target in secondary.primary_proxy.counts()), "the primary was not asked"
    resync(secondary, repository)
    assert secondary.sync_registry.findings.get(repository) is None


def test_two_comparisons_within_the_window_remove_nothing(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    slow = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=600), removes_outside=True)
    images = fill(slow, make, repository, "v1", "v2", "dev")
    select(slow, include_tags="v*")

    for _ in range(3):
        resync(slow, repository)

    assert here(slow, images) == ["v1", "v2", "dev"]
    assert finding(slow, repository).outside == 1
    slow.close()


def test_the_deletion_delay_is_waited_for_and_nothing_is_owed_meanwhile(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    delayed = quick(settle=0.3, suspect=0.3, deletion_delay=600)
    slow = Secondary(primary, second_registry, timing=delayed, limits=Limits(window_s=WINDOW), removes_outside=True)
    images = fill(slow, make, repository, "v1", "v2", "dev")
    select(slow, include_tags="v*")

    for _ in range(3):
        resync(slow, repository)
    assert here(slow, images) == ["v1", "v2", "dev"]

    slow.have_passed(600)
    resync(slow, repository)
    assert here(slow, images) == ["v1", "v2"]
    slow.close()


def test_by_default_what_is_outside_stays_and_is_forgotten(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=WINDOW))
    images = fill(secondary, make, repository, "v1", "dev")
    select(secondary, include_tags="v*")
    for _ in range(3):
        resync(secondary, repository)
    select(secondary, exclude_repositories=repository)
    for _ in range(3):
        walk(secondary)

    assert here(secondary, images) == ["v1", "dev"]
    assert secondary.sync_registry.row(repository) is None
    assert secondary.sync_registry.findings.get(repository) is None
    assert secondary.sync_registry.breaker.state().found_outside == 0
    secondary.close()


def test_what_was_forgotten_is_reached_once_it_was_selected_again(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "dev")
    removing, secondary.options = secondary.options, replace(secondary.options, removes_outside=False)
    select(secondary, include_tags="v*")
    resync(secondary, repository)
    secondary.options = removing
    select(secondary, include_tags="v*")
    for _ in range(2):
        resync(secondary, repository)
    assert here(secondary, images) == ["v1", "v2", "dev"]

    select(secondary)
    resync(secondary, repository)
    select(secondary, include_tags="v*")
    for _ in range(2):
        resync(secondary, repository)

    assert here(secondary, images) == ["v1", "v2"]


def test_a_tag_that_somebody_else_put_or_wrote_over_stays(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "v3", "dev")
    put(secondary, images["v1"], "other")
    select(secondary, include_tags="v*")
    resync(secondary, repository)
    put(secondary, images["v1"], "dev")

    resync(secondary, repository)
    resync(secondary, repository)

    assert secondary.digest(repository, "other") == secondary.digest(repository, "dev") == images["v1"].digest
    assert [one.value for one, _ in secondary.sync_registry.seen_tags(repository, limit=9)] == ["v1", "v2", "v3"]


def test_an_operator_keeps_a_tag_that_is_outside(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "v3", "dev", "old")
    select(secondary, include_tags="v*")
    resync(secondary, repository)

    resync(secondary, repository, "dev", if_absent=KEEP)
    resync(secondary, repository)

    assert here(secondary, images) == ["v1", "v2", "v3", "dev"]


def test_a_tag_that_is_selected_again_before_it_goes_stays(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "dev")
    select(secondary, include_tags="v*")
    resync(secondary, repository)
    select(secondary)
    resync(secondary, repository)
    assert secondary.sync_registry.findings.get(repository) is None
    select(secondary, include_tags="v*")

    resync(secondary, repository)

    assert here(secondary, images) == ["v1", "v2", "dev"], "it left anew"
    resync(secondary, repository)
    assert here(secondary, images) == ["v1", "v2"]
    select(secondary)
    resync(secondary, repository)
    assert here(secondary, images) == ["v1", "v2", "dev"], "what is selected again is brought again"


def test_what_happens_at_the_primary_to_a_tag_outside_is_not_followed(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "v3", "dev", "gone")
    select(secondary, include_tags="v*")
    resync(secondary, repository)
    moved = make.image(repository, "dev", layers=1)
    make.delete(images["gone"])

    secondary.receive(pushed(moved), event("deleted", repository, tag="gone"))

    assert not secondary.owed(repository)
    assert here(secondary, images) == ["v1", "v2", "v3", "dev", "gone"]
    resync(secondary, repository)
    assert here(secondary, images) == ["v1", "v2", "v3"]
    assert secondary.digest(repository, "dev") is None


def test_what_was_owed_when_it_left_is_remembered_as_ours(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "dev")
    secondary.sync_registry.mark(repository, Reference.tag("dev"))
    select(secondary, include_tags="v*")

    secondary.sweep()
    for _ in range(2):
        resync(secondary, repository)

    assert here(secondary, images) == ["v1", "v2"]


def test_what_was_seen_under_another_primary_is_not_removed(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1", "v2", "dev")
    for key, item in list(secondary.store.table.items()):
        if key.item == "tag#dev":
            secondary.store.table[key] = {**item, "primary": "a former one"}
    secondary.sync_registry._primary = "this one"
    select(secondary, include_tags="v*")

    for _ in range(3):
        resync(secondary, repository)

    assert here(secondary, images) == ["v1", "v2", "dev"]


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


def test_a_repository_that_is_selected_again_is_brought(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, "v1")
    select(secondary, exclude_repositories=repository)
    walk(secondary)
    secondary.sync_registry.breaker.resume()
    walk(secondary)
    assert here(secondary, images) == []
    select(secondary)

    walk(secondary)

    assert here(secondary, images) == ["v1"]


def test_without_patterns_nothing_is_outside(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    images = fill(secondary, make, repository, "v1", "dev")

    for _ in range(3):
        walk(secondary)

    assert here(secondary, images) == ["v1", "dev"]
    assert secondary.sync_registry.breaker.state().found_outside == 0
