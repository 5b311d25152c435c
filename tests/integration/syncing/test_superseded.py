"""A superseded digest is owed like any other: pinned deployments pull it by digest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from tests.integration.secondary import Secondary, event, pushed
from tests.support.images import ImageMaker, Made

from geosync.pair.selection import Selection
from geosync.pair.settings import REFERENCES
from geosync.sync_registry.items import SYNCED, Item, Reference
from geosync.sync_registry.table.changes import Delete, Update
from geosync.sync_registry.table.memory import MemoryStore

PUSHES = 60
"""Several times as many as the item of a tag takes digests."""


@pytest.fixture
def push(make: ImageMaker, repository: str) -> Callable[[int], list[Made]]:
    """Push one tag so many times, each time another image on the same layer."""
    layer = make.layer(repository, 2000)

    def push(times: int) -> list[Made]:
        return [make.image(repository, "latest", layers=0, reuse=[layer]) for _ in range(times)]

    return push


def lacking(secondary: Secondary, repository: str, images: Sequence[Made]) -> list[str]:
    """The digests of `images` that the secondary's registry does not have."""
    return [one.digest for one in images if secondary.digest(repository, one.digest) is None]


def settle(secondary: Secondary, repository: str) -> None:
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.row(repository).state == SYNCED
    assert not secondary.dlq.messages


def test_five_pushes_of_a_tag_whose_events_come_before_the_first_look_all_arrive(
    secondary: Secondary, push: Callable[[int], list[Made]], repository: str
) -> None:
    images = push(5)
    secondary.receive_together(*map(pushed, images))
    settle(secondary, repository)
    assert lacking(secondary, repository, images) == []
    assert secondary.digest(repository, "latest") == images[-1].digest


def test_sixty_pushes_of_a_tag_arrive_and_the_newest_comes_first(
    secondary: Secondary, push: Callable[[int], list[Made]], repository: str
) -> None:
    images = push(PUSHES)
    for start in range(0, PUSHES, 10):
        taken = secondary.intake.take([pushed(one).to_json() for one in images[start : start + 10]])
        assert not taken.again
    secondary.reset()

    settle(secondary, repository)

    assert lacking(secondary, repository, images) == []
    puts = [call for call in secondary.secondary_proxy.exchanges if call.method == "PUT" and "/manifests/" in call.path]
    # It begins first; of those that are worked on at once, chance decides which is put first.
    assert any(call.path.endswith("/manifests/latest") for call in puts[:REFERENCES])


def test_the_digest_of_a_tag_that_was_deleted_after_its_push_arrives_if_the_primary_has_it(
    secondary: Secondary, push: Callable[[int], list[Made]], repository: str
) -> None:
    first, last = push(2)
    secondary.registries.primary.delete_manifest(repository, last.digest)

    secondary.receive_together(pushed(first), pushed(last), event("deleted", repository, tag="latest"))
    settle(secondary, repository)

    assert secondary.digest(repository, "latest") is None
    assert secondary.digest(repository, first.digest) == first.digest
    assert secondary.digest(repository, last.digest) is None, "the primary is proved not to have it"


def test_a_look_that_sees_a_newer_push_before_its_event_came_forgets_none(
    secondary: Secondary, push: Callable[[int], list[Made]], repository: str
) -> None:
    first, last = push(2)
    secondary.receive(pushed(first))
    secondary.receive(pushed(last))
    settle(secondary, repository)
    assert lacking(secondary, repository, [first, last]) == []


def test_an_event_that_comes_after_a_newer_push_was_seen_is_not_forgotten(
    secondary: Secondary, push: Callable[[int], list[Made]], repository: str
) -> None:
    first, last = push(2)
    secondary.receive(pushed(last))
    settle(secondary, repository)
    secondary.receive(pushed(first))
    settle(secondary, repository)
    assert lacking(secondary, repository, [first, last]) == []
    assert secondary.digest(repository, "latest") == last.digest


def test_where_tags_are_selected_those_of_a_selected_tag_arrive_and_others_do_not(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    select(secondary, Selection.parse(include_tags="v*"))
    images = {tag: [make.image(repository, tag, layers=1) for _ in range(2)] for tag in ("v1", "dev")}
    secondary.receive_together(*(pushed(one) for made in images.values() for one in made))
    settle(secondary, repository)
    assert lacking(secondary, repository, images["v1"]) == []
    assert len(lacking(secondary, repository, images["dev"])) == 2


def test_a_tag_that_left_the_selection_leaves_no_digest_owed(
    secondary: Secondary, push: Callable[[int], list[Made]], repository: str
) -> None:
    images = push(2)
    assert not secondary.intake.take([pushed(one).to_json() for one in images]).again
    select(secondary, Selection.parse(include_tags="v*"))
    settle(secondary, repository)
    assert len(lacking(secondary, repository, images)) == 2


@pytest.mark.parametrize("times", [5, 40])
def test_where_superseded_images_are_skipped_only_the_last_arrives(
    secondary: Secondary, push: Callable[[int], list[Made]], repository: str, times: int
) -> None:
    select(secondary, Selection(superseded_images=False))
    images = push(times)
    assert not secondary.intake.take([pushed(one).to_json() for one in images]).again
    assert [one.reference for one in secondary.owed(repository)] == [Reference.tag("latest")]
    settle(secondary, repository)
    assert lacking(secondary, repository, images) == [one.digest for one in images[:-1]]


def test_a_push_that_none_overtook_costs_no_request_and_no_write_more(
    secondary: Secondary, make: ImageMaker, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted with the parameter on and off: the same requests, and the same changes of the table.

    The row's are left out, as a slow machine renews the lease more often: tests/functional/sync/test_costs.py has all.
    """
    changes: list[str] = []
    apply = MemoryStore._apply

    def count(store: MemoryStore, change: Update | Delete) -> Item | None:
        changes.append(change.key.item)
        return apply(store, change)

    monkeypatch.setattr(MemoryStore, "_apply", count)
    counts = []
    for superseded_images in (True, False):
        select(secondary, Selection(superseded_images=superseded_images))
        name = f"{repository}-{superseded_images}".lower()
        made = make.image(name, "v1", layers=2)
        secondary.reset()
        changes.clear()
        secondary.receive(pushed(made))
        assert not secondary.owed(name)
        counts.append(
            (secondary.requests(), sorted(key for key in changes if key.startswith(("owed#", "tag#", "digest#"))))
        )
    assert counts[0] == counts[1] == (3 * 2 + 6, ["owed#tag#v1", "owed#tag#v1", "tag#v1"])


def select(secondary: Secondary, selection: Selection) -> None:
    secondary.registries = replace(secondary.registries, selection=selection)
    secondary.open()
