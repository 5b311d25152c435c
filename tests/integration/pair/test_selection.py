"""Selective sync: events, comparison and resync agree, and tags outside of the selection stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.integration.secondary import Secondary, event, pushed
from tests.support.images import ImageMaker

from geosync.pair.selection import Selection
from geosync.sync_registry.items import SYNCED, Reference

Select = Callable[..., None]


@pytest.fixture
def select(secondary: Secondary) -> Select:
    def select(**patterns: str) -> None:
        secondary.registries = replace(secondary.registries, selection=Selection.parse(**patterns))
        secondary.open()

    return select


def resync(secondary: Secondary, repository: str) -> None:
    work = {"version": "1", "kind": "work", "repository": repository, "reason": "resync", "references": ["*"]}
    secondary.receive(json.dumps(work))
    secondary.sweep_until(lambda: not secondary.owed(repository))


def test_an_event_of_a_repository_outside_is_done_without_a_mark_or_a_request(
    secondary: Secondary, select: Select, make: ImageMaker, repository: str
) -> None:
    select(include_repositories="other/**")
    made = make.image(repository, "v1")

    secondary.receive(pushed(made), event("deleted", repository, tag="v1"), event("deleted", repository))

    assert secondary.requests() == 0
    assert not secondary.owed(repository)
    assert secondary.sync_registry.row(repository) is None


def test_only_selected_tags_are_copied_by_events(
    secondary: Secondary, select: Select, make: ImageMaker, repository: str
) -> None:
    select(include_tags="v[0-9]*", exclude_tags="*-rc*")
    images = {tag: make.image(repository, tag, layers=1) for tag in ("v1", "v2-rc1", "dev")}

    secondary.receive(*(pushed(made) for made in images.values()))

    assert {tag: secondary.digest(repository, tag) for tag in images} == {
        "v1": images["v1"].digest,
        "v2-rc1": None,
        "dev": None,
    }
    assert secondary.row(repository).state == SYNCED


def test_a_resync_copies_selected_tags_with_their_signatures_and_no_others(
    secondary: Secondary, select: Select, make: ImageMaker, repository: str
) -> None:
    index = make.index(repository, "v1", children=2)
    dev = make.image(repository, "dev", layers=1)
    signature = make.cosign_signature(repository, index)
    select(include_tags="v*")

    resync(secondary, repository)

    assert secondary.digest(repository, "v1") == index.digest
    assert secondary.digest(repository, signature.reference) == signature.digest
    assert secondary.digest(repository, "dev") is None
    assert secondary.digest(repository, dev.digest) is None


def test_where_tags_are_selected_a_push_by_digest_brings_referrers_and_no_other_manifest(
    secondary: Secondary, select: Select, make: ImageMaker, repository: str
) -> None:
    select(include_tags="v*")
    subject = make.image(repository, "v1", layers=1)
    referrer = make.artifact(repository, subject=subject)
    other = make.index(repository, "dev", children=1)
    child = other.children[0]

    secondary.receive(pushed(subject))
    secondary.receive(pushed(referrer), event("created", repository, digest=child), pushed(other))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, referrer.digest) == referrer.digest
    assert secondary.digest(repository, child) is None
    assert secondary.digest(repository, "dev") is None


def test_a_tag_that_left_the_selection_is_forgotten_and_stays_as_it_is(
    secondary: Secondary, select: Select, make: ImageMaker, repository: str
) -> None:
    old = make.image(repository, "dev", layers=1)
    kept = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(old), pushed(kept))
    make.image(repository, "dev", layers=1)
    secondary.sync_registry.mark(repository, Reference.tag("dev"))
    select(include_tags="v*")

    resync(secondary, repository)

    assert secondary.digest(repository, "dev") == old.digest
    assert [reference.value for reference, _ in secondary.sync_registry.seen_tags(repository, limit=9)] == ["v1"]
    assert secondary.row(repository).state == SYNCED


def test_a_tag_that_comes_back_into_the_selection_is_brought(
    secondary: Secondary, select: Select, make: ImageMaker, repository: str
) -> None:
    secondary.receive(pushed(make.image(repository, "dev", layers=1)))
    select(include_tags="v*")
    resync(secondary, repository)
    made = make.image(repository, "dev", layers=1)
    secondary.receive(pushed(made))
    select()

    resync(secondary, repository)

    assert secondary.digest(repository, "dev") == made.digest
