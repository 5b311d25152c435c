"""Which side is asked about a tag: one request where a listing or the record tells the rest, both where neither may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.support.clock import START, FakeClock

from geosync.comparing.context import ComparisonContext
from geosync.comparing.looks import TRUSTED_FOR_MS, Compared, TagLooks, list_secondary
from geosync.errors import Refused
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Owed, Reference, Seen

A, B = (f"sha256:{letter * 64}" for letter in "ab")
WHOLE = Reference.whole()
OWED = Owed(repository="team/app", reference=WHOLE, mark="m", marked_at=1, owed_since=1, pushed_at=1, due=1, walk=1)


class Tags(Registry):
    """A registry with tags; it notes which are looked at. With `lists_digests` its listing has their digests."""

    def __init__(self, digests: Mapping[str, str], *, lists_digests: bool = False, refuses: bool = False) -> None:
        self.deadline = Deadline()
        self.digests = dict(digests)
        self.lists_digests = lists_digests
        self.refuses = refuses
        self.asked: list[str] = []

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        if self.refuses:
            raise Refused("registry", "GET tags", status=400)
        yield [ListedTag(tag, digest if self.lists_digests else None) for tag, digest in sorted(self.digests.items())]

    def head_manifest(self, repository: str, reference: str) -> Descriptor | None:
        self.asked.append(reference)
        digest = self.digests.get(reference)
        return Descriptor(media_type="x", digest=digest, size=2) if digest is not None else None


@dataclass
class Lease:
    suspect_until: int = 0


@dataclass
class Held:
    lease: Lease


class Comparison:
    """One run of a comparison of the tags that the primary has, of which all were seen here as A."""

    def __init__(
        self,
        primary: Tags,
        secondary: Tags,
        *,
        seen_at: int = START - 1000,
        suspect_until: int = 0,
        verifies: bool = True,
    ) -> None:
        self.primary, self.secondary = primary, secondary
        self.clock = FakeClock()
        held: Any = Held(Lease(suspect_until))
        pair = Pair(Repository(primary, "team/app"), Repository(secondary, "team/app"))
        nothing: Any = None
        context = ComparisonContext(
            pair=pair,
            sync_registry=nothing,
            held=held,
            selection=Selection(),
            check=lambda: None,
            verifies=verifies,
            clock=self.clock,
        )
        self.looks = TagLooks(context, list_secondary(pair, self.clock))
        self.known = {
            Reference.tag(tag): Seen(digest=A, looked_at=seen_at, seen_at=seen_at + number)
            for number, tag in enumerate(sorted(primary.digests))
        }
        self.clock.pass_(1)

    def run(self, owed: Owed = OWED) -> dict[str, Compared | None]:
        on_record = self.looks.on_record(owed, self.known)
        (page,) = self.primary.tags_with_digests("team/app")
        return {
            tag: self.looks.look(tag, digest, self.known[Reference.tag(tag)], START - 10, on_record=tag in on_record)
            for tag, digest in page
        }


def equal(found: Mapping[str, Compared | None]) -> set[str]:
    return {tag for tag, one in found.items() if one is not None and one.seen is not None}


@pytest.fixture
def same() -> dict[str, str]:
    return {f"v{number}": A for number in range(5)}


def test_unchanged_tags_are_looked_at_at_the_primary_and_one_of_them_here(same: dict[str, str]) -> None:
    comparison = Comparison(Tags(same), Tags(same))
    found = comparison.run()
    assert equal(found) == set(same)
    assert comparison.primary.asked == sorted(same)
    assert comparison.secondary.asked == ["v4"], "the one that was seen last"
    first = found["v0"]
    assert first is not None
    assert first.seen == Seen(digest=A, looked_at=comparison.clock.now, seen_at=START - 1000), "not seen here now"


def test_a_tag_that_changed_at_the_primary_is_different(same: dict[str, str]) -> None:
    comparison = Comparison(Tags(same | {"v1": B}), Tags(same))
    assert equal(comparison.run()) == set(same) - {"v1"}
    assert comparison.secondary.asked == ["v4"]


def test_where_a_recorded_tag_is_not_listed_here_every_tag_is_looked_at(same: dict[str, str]) -> None:
    """As after a restore from a backup, even if what was seen last was written since."""
    here = {tag: digest for tag, digest in same.items() if tag != "v2"} | {"v1": B}
    comparison = Comparison(Tags(same), Tags(here))
    assert equal(comparison.run()) == set(same) - {"v1", "v2"}
    assert comparison.secondary.asked == sorted(same)


def test_a_registry_that_came_back_with_older_tags_is_looked_at_tag_by_tag(same: dict[str, str]) -> None:
    comparison = Comparison(Tags(same), Tags(same | {"v1": B, "v4": B}))
    assert equal(comparison.run()) == {"v0", "v2", "v3"}
    assert comparison.secondary.asked == ["v4", *sorted(same)]
    comparison.secondary.asked.clear()
    comparison.secondary.digests = same
    comparison.run()
    assert comparison.secondary.asked == sorted(same), "for the rest of the comparison"


def test_a_changed_older_tag_is_not_noticed_while_the_tag_seen_last_is_unchanged(same: dict[str, str]) -> None:
    """As where a push came after the restore (docs/operations/act.md): verification finds it."""
    comparison = Comparison(Tags(same), Tags(same | {"v1": B}))
    assert equal(comparison.run()) == set(same)
    assert comparison.secondary.asked == ["v4"]


@pytest.mark.parametrize(
    "more",
    [{"seen_at": START - TRUSTED_FOR_MS - 10}, {"suspect_until": START - 500}, {"verifies": False}],
    ids=["seen long ago", "a late write may have landed since", "verification is off"],
)
def test_a_record_that_is_old_in_doubt_or_never_verified_is_not_trusted(
    same: dict[str, str], more: dict[str, Any]
) -> None:
    comparison = Comparison(Tags(same), Tags(same), **more)
    assert equal(comparison.run()) == set(same)
    assert comparison.secondary.asked == comparison.primary.asked == sorted(same)


@pytest.mark.parametrize("asked", [{"walk": None}, {"asked": True}], ids=["a repository", "everything"])
def test_a_comparison_that_an_operator_asks_for_looks_at_both_sides(
    same: dict[str, str], asked: dict[str, Any]
) -> None:
    comparison = Comparison(Tags(same), Tags(same | {"v1": B}))
    asked_for = replace(OWED, **asked)
    assert equal(comparison.run(asked_for)) == set(same) - {"v1"}
    assert comparison.secondary.asked == sorted(same)


@pytest.mark.parametrize(("primary", "secondary"), [(True, False), (False, True), (True, True)])
def test_the_side_whose_listing_has_digests_is_not_asked(same: dict[str, str], primary: bool, secondary: bool) -> None:
    comparison = Comparison(
        Tags(same | {"v1": B}, lists_digests=primary), Tags(same | {"v3": B}, lists_digests=secondary)
    )
    comparison.looks._is_as_recorded = False
    assert equal(comparison.run()) == {"v0", "v2", "v4"}
    assert comparison.primary.asked == ([] if primary else sorted(same))
    assert comparison.secondary.asked == ([] if secondary else sorted(same))


def test_a_tag_looked_at_after_the_listing_began_is_looked_at_again(same: dict[str, str]) -> None:
    """A push that was copied meanwhile is no difference, though the listing knows nothing of it."""
    comparison = Comparison(Tags(same, lists_digests=True), Tags(same, lists_digests=True), seen_at=START + 500)
    comparison.primary.digests["v1"] = comparison.secondary.digests["v1"] = A
    assert equal(comparison.run()) == set(same)
    assert comparison.primary.asked == comparison.secondary.asked == sorted(same)


def test_where_the_tags_here_may_not_be_listed_each_is_looked_at(same: dict[str, str]) -> None:
    comparison = Comparison(Tags(same), Tags(same, refuses=True))
    assert equal(comparison.run()) == set(same)
    assert comparison.secondary.asked == sorted(same)
