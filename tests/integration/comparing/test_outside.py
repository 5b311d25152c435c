"""Tags that leave the selection: removed by the rules of deletes under OutsideSelection=remove, else kept."""

from __future__ import annotations

from dataclasses import replace

from tests.integration.comparing.outside import (
    QUICK,
    WINDOW,
    fill,
    finding,
    here,
    primary,
    resync,
    secondary,
    select,
    walk,
)
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, pushed, quick
from tests.support.images import ImageMaker

from geosync.sync_registry.items import KEEP, SYNCED, Reference
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.transitions.marks import Mark

__all__ = ["primary", "secondary"]  # fixtures


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


def test_a_forgotten_tag_is_compared_again_once_it_was_selected_again(
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
    images = fill(secondary, make, repository, "v1", "v2", "v3", "v4", "dev", "old")
    secondary.put(repository, "other", images["v1"])
    secondary.sync_registry.mark(repository, Reference.tag("old"), Mark(expects=images["v2"].digest))
    select(secondary, include_tags="v*")
    secondary.put(repository, "old", images["v1"])
    secondary.sweep()
    resync(secondary, repository)
    secondary.put(repository, "dev", images["v1"])

    resync(secondary, repository)
    resync(secondary, repository)

    assert {secondary.digest(repository, one) for one in ("other", "dev", "old")} == {images["v1"].digest}
    assert [one.value for one, _ in secondary.sync_registry.seen_tags(repository, limit=9)] == ["v1", "v2", "v3", "v4"]


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


def test_changes_at_the_primary_of_a_tag_outside_are_not_followed(
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


def test_a_tag_that_was_owed_when_it_left_the_selection_is_remembered_as_ours(
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
