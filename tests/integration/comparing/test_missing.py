"""Unannounced deletes: below the breaker's limits the second comparison removes the tags; else they stay.

And what is extra at the secondary: told, never removed, until an operator adopts it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from local.registries import RegistrySpec
from tests.integration.comparing.emptied import QUICK, WINDOW, compare, digests, empty, fill, here
from tests.integration.conftest import Place, StartRegistry
from tests.integration.minutes import WALK
from tests.integration.secondary import Secondary, event, pushed, quick
from tests.support.images import ImageMaker
from tests.support.proxy import Status

from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import ABSENT, ADOPT, KEEP, SYNCED, Reference
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.transitions.marks import Mark


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    """A registry with nothing in it but what the test pushes."""
    return Place(registry=start_registry(RegistrySpec(name="emptied")))


@pytest.fixture
def secondary(primary: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=WINDOW))
    yield one
    one.close()


# --------------------------------------------------------------------------------------------------- below the breaker


def test_a_lost_delete_is_carried_out_by_the_second_comparison_that_misses_it(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 3)
    make.delete(images["v1"])

    found = compare(secondary, repository)

    assert found is not None
    assert (found.missing, found.missing_names, found.of) == (1, ("v1",), 3)
    assert digests(secondary, images) == here(images)
    assert not secondary.sync_registry.breaker.state().suspended

    found = compare(secondary, repository)

    assert digests(secondary, images) == {**here(images), "v1": None}
    assert secondary.row(repository).state == SYNCED
    assert compare(secondary, repository) is None


def test_two_comparisons_within_the_window_remove_nothing(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=3600))
    images = fill(secondary, make, repository, 3)
    make.delete(images["v1"])

    for _ in range(3):
        compare(secondary, repository)

    assert digests(secondary, images) == here(images)
    secondary.close()


def test_a_missing_tag_that_is_pushed_again_is_no_longer_missing(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 3)
    make.delete(images["v1"])
    compare(secondary, repository)
    images["v1"] = make.image(repository, "v1", layers=1)

    assert compare(secondary, repository) is None

    assert digests(secondary, images) == here(images)
    ((_, seen),) = [one for one in secondary.sync_registry.seen_tags(repository, limit=9) if one[0].value == "v1"]
    assert seen.missing_since is None


def test_a_sibling_on_the_same_digest_stays_though_the_registry_cannot_delete_a_tag(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 3)
    sibling = make.retag(images["v1"], "sibling")
    secondary.receive(pushed(sibling))
    tag = next(primary.registry.folder.rglob(f"{repository}/_manifests/tags/v1"))
    shutil.rmtree(tag)  # as a registry that deletes by tag does it

    compare(secondary, repository)
    compare(secondary, repository)

    assert secondary.digest(repository, "v1") is None
    assert secondary.digest(repository, "sibling") == images["v1"].digest
    assert secondary.digest(repository, "v2") == images["v2"].digest


# --------------------------------------------------------------------------------------------------------- the breaker


def test_a_primary_on_an_empty_disk_takes_nothing_with_it_and_it_shows_why(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    repositories = [f"{repository}-{number}" for number in range(3)]
    images = {name: fill(secondary, make, name, number + 1) for number, name in enumerate(repositories)}
    empty(primary)

    for _ in range(3):
        for name in repositories:
            compare(secondary, name)
            secondary.receive(event("deleted", name))  # and somebody deletes there what is not there
            secondary.sweep_until(lambda name=name: not secondary.owed(name))  # type: ignore[misc]

    for name in repositories:
        assert digests(secondary, images[name]) == here(images[name])
        assert secondary.row(name).missing_on_primary
    assert "DELETE" not in {method for method, _ in secondary.secondary_proxy.counts()}
    state = secondary.sync_registry.breaker.state()
    assert state.suspended
    assert state.reason == f"1 of the 1 tags of {repositories[0]} are missing at the primary"
    assert [one.missing for one in secondary.sync_registry.findings.going(limit=9)] == [1, 2, 3]
    assert all(one.gone for one in secondary.sync_registry.findings.page(limit=9))


def test_tags_that_come_back_lift_the_suspension(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 2)
    disk = next(primary.registry.folder.rglob("docker"))
    shutil.copytree(disk, disk.parent / "backup")
    empty(primary)
    compare(secondary, repository)
    assert secondary.sync_registry.breaker.state().suspended
    (disk.parent / "backup").rename(disk)

    assert compare(secondary, repository) is None

    assert not secondary.sync_registry.breaker.state().suspended
    assert not secondary.row(repository).missing_on_primary
    assert digests(secondary, images) == here(images)


def test_what_an_operator_accepts_is_removed_by_the_next_comparison(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 3)
    for tag in ("v0", "v1"):
        make.delete(images[tag])
    compare(secondary, repository)
    compare(secondary, repository)
    assert digests(secondary, images) == here(images)

    assert secondary.sync_registry.breaker.resume()
    compare(secondary, repository)

    assert digests(secondary, images) == {"v0": None, "v1": None, "v2": images["v2"].digest}
    assert not secondary.sync_registry.breaker.state().suspended


def test_too_many_of_a_site_within_the_window_suspend_too(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(primary, second_registry, timing=QUICK, limits=Limits(tags=2, window_s=3600))
    repositories = [f"{repository}-{number}" for number in range(3)]
    for name in repositories:
        make.delete(fill(secondary, make, name, 3)["v1"])

    suspended = []
    for name in repositories:
        compare(secondary, name)
        suspended.append(secondary.sync_registry.breaker.state().suspended)

    assert suspended == [False, False, True]
    assert str(secondary.sync_registry.breaker.state().reason).startswith(
        "3 tags were found missing at the primary within 3600 s"
    )
    secondary.close()


def test_an_announced_delete_goes_on_while_comparisons_are_suspended(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 3)
    for tag in ("v0", "v1"):
        make.delete(images[tag])
    compare(secondary, repository)
    assert secondary.sync_registry.breaker.state().suspended

    secondary.receive(event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert digests(secondary, images) == {**here(images), "v1": None}


def test_under_the_policy_keep_what_is_missing_is_told_and_stays(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=WINDOW), removals=False)
    images = fill(secondary, make, repository, 3)
    make.delete(images["v1"])

    for _ in range(3):
        found = compare(secondary, repository)

    assert found is not None
    assert found.missing_names == ("v1",)
    assert digests(secondary, images) == here(images)
    assert not secondary.sync_registry.breaker.state().suspended
    secondary.close()


# ---------------------------------------------------------------------------------------------- listings that fail


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_listing_that_fails_is_never_no_tags(
    secondary: Secondary, make: ImageMaker, repository: str, status: int
) -> None:
    images = fill(secondary, make, repository, 2)
    secondary.primary_proxy.add(Status(status=status, kind="tags", times=1000))

    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())

    assert secondary.sync_registry.findings.get(repository) is None
    assert [owed.reference.kind for owed in secondary.owed(repository)] == ["repository"]
    assert digests(secondary, images) == here(images)
    secondary.primary_proxy.reset()
    secondary.sync_registry.clear_hold(secondary.registries.primary.name)
    compare(secondary, repository)
    assert secondary.row(repository).state == SYNCED


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_listing_that_breaks_off_in_the_middle_of_its_pages_makes_nothing_missing(
    secondary: Secondary, make: ImageMaker, repository: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = fill(secondary, make, repository, 5)

    def pages(name: str, *, last: str | None = None) -> Iterator[list[str]]:
        """A listing in pages of two tags, whose second page is an error."""
        yield ["v0", "v1"]
        secondary.primary_proxy.add(Status(status=status, kind="tags", target=re.compile("last=v1"), times=1000))
        yield from original(name, last="v1")

    original = secondary.registries.primary.tags
    monkeypatch.setattr(secondary.registries.primary, "tags", pages)
    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())

    assert secondary.sync_registry.findings.get(repository) is None
    assert not secondary.sync_registry.breaker.state().suspended
    assert digests(secondary, images) == here(images)


@pytest.mark.parametrize("status", [401, 500])
def test_a_look_that_fails_makes_nothing_missing(
    secondary: Secondary, make: ImageMaker, repository: str, status: int
) -> None:
    images = fill(secondary, make, repository, 2)
    make.delete(images["v1"])
    secondary.primary_proxy.add(Status(status=status, method="HEAD", target=re.compile("v1"), times=1000))

    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())

    assert secondary.sync_registry.findings.get(repository) is None
    assert digests(secondary, images) == here(images)


# --------------------------------------------------------------------------------------------------------------- extras


def test_extra_tags_are_told_and_stay_until_they_are_adopted(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 2)
    for tag in ("one", "other"):
        secondary.put(repository, tag, images["v1"])

    for _ in range(2):
        found = compare(secondary, repository)

    assert found is not None
    assert (found.extra, found.extra_names, found.missing) == (2, ("one", "other"), 0)
    secondary.receive(event("deleted", repository, tag="one"))
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.digest(repository, "one") == images["v1"].digest

    adopt = WorkMessage(repository=repository, reason="resync", references=(Reference.tag("one"),), if_absent=ADOPT)
    secondary.receive(adopt.to_json())
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "one") is None
    assert secondary.digest(repository, "other") == images["v1"].digest
    assert digests(secondary, images) == here(images)
    found = compare(secondary, repository)
    assert found is not None
    assert found.extra_names == ("other",)


def test_all_extra_tags_of_a_repository_are_adopted_at_once(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 2)
    for number in range(5):
        secondary.put(repository, f"extra-{number}", images["v1"])

    compare(secondary, repository, if_absent=ADOPT)

    assert {secondary.digest(repository, f"extra-{number}") for number in range(5)} == {None}
    assert digests(secondary, images) == here(images)
    assert compare(secondary, repository) is None


def test_a_tag_that_the_primary_has_is_not_removed_though_it_was_adopted(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 2)
    secondary.put(repository, "both", images["v1"])
    made = make.image(repository, "both", layers=1)

    adopt = WorkMessage(repository=repository, reason="resync", references=(Reference.tag("both"),), if_absent=ADOPT)
    secondary.receive(adopt.to_json())
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "both") == made.digest


# ----------------------------------------------------------------------------------------------------------------- keep


def test_keep_cancels_a_deletion_that_is_delayed_and_the_tag_is_extra_from_then_on(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    delayed = quick(settle=0.3, suspect=0.5, deletion_delay=600)
    secondary = Secondary(primary, second_registry, timing=delayed, limits=Limits(window_s=WINDOW))
    images = fill(secondary, make, repository, 3)
    for tag in ("v0", "v1"):
        make.delete(images[tag])
        secondary.receive(event("deleted", repository, tag=tag))
    secondary.sync_registry.mark(repository, Reference.tag("v1"), Mark(if_absent=frozenset({KEEP})))
    secondary.sync_registry.mark(
        repository, Reference.tag("v1"), Mark(expects=ABSENT)
    )  # the same deletion, told once more
    secondary.sweep_until(lambda: [owed.reference.value for owed in secondary.owed(repository)] == ["v0"])

    assert digests(secondary, images) == here(images)
    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())
    found = secondary.sync_registry.findings.get(repository)
    assert found is not None
    assert found.extra_names == ("v1",)
    secondary.close()


@pytest.mark.parametrize("is_announced", [True, False], ids=["its event tells", "a comparison finds it"])
def test_a_push_cancels_a_deletion_that_is_delayed(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str, *, is_announced: bool
) -> None:
    delayed = quick(settle=0.3, suspect=0.5, deletion_delay=600)
    secondary = Secondary(primary, second_registry, timing=delayed)
    images = fill(secondary, make, repository, 1)
    make.delete(images["v0"])
    secondary.receive(event("deleted", repository, tag="v0"))
    again = make.image(repository, "v0", layers=1)
    secondary.receive(pushed(again) if is_announced else WALK)

    secondary.sweep_until(lambda: secondary.digest(repository, "v0") == again.digest, passing=0)
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v0") == again.digest
    secondary.close()


def test_keep_of_a_repository_keeps_everything_that_is_missing(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 3)
    for tag in ("v0", "v1"):
        make.delete(images[tag])

    compare(secondary, repository, if_absent=KEEP)
    found = compare(secondary, repository)

    assert found is not None
    assert (found.missing, found.extra_names) == (0, ("v0", "v1"))
    assert digests(secondary, images) == here(images)
