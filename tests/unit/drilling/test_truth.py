"""The truth of a drill: each different tag is counted in its class, and tags without a look are reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.unit.drilling.played import PlayedSites

from geosync.drilling import truth
from geosync.drilling.findings import TruthFound
from geosync.drilling.truth import MOST_NAMED, MOST_UNREAD, ComparedTags, Tag, Truth
from geosync.errors import Denied, GeosyncError, MalformedManifest, OutOfTime, RegistryUnavailable
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

SETTLE_S = 4.0


class Compared:
    """Both sites, and what a drill finds there."""

    def __init__(self) -> None:
        self.sites = PlayedSites()
        self.sync_registry = SyncRegistry(MemoryStore(), clock=self.sites.clock)
        self.found = ComparedTags()

    def compare(self, *, most_tags: int = 10_000) -> ComparedTags:
        with ThreadPoolExecutor(4) as pool:
            self.found = Truth(self.sites.both, self.sync_registry, pool, most_tags=most_tags).compare()
        return self.found

    def judge(self, *named: Tag, all_listed: bool = True) -> TruthFound:
        with ThreadPoolExecutor(4) as pool:
            judging = Truth(self.sites.both, self.sync_registry, pool, most_tags=10_000)
            return judging.judge(self.found, named, all_listed=all_listed, settle_s=SETTLE_S)


@pytest.fixture
def compared() -> Compared:
    return Compared()


def unavailable() -> RegistryUnavailable:
    return RegistryUnavailable("dublin", "HEAD /v2/app/manifests", status=503)


def pushed(compared: Compared, tags: int) -> list[Tag]:
    """Push tags to the primary alone."""
    names = [f"v{number:04d}" for number in range(tags)]
    for name in names:
        compared.sites.primary.put("app", name, name.encode())
    return [("app", name) for name in names]


def test_each_tag_is_counted_where_it_belongs(compared: Compared) -> None:
    compared.sites.put("app", "equal", b"equal")
    named, owed, late, lost = pushed(compared, 4)
    compared.compare()
    compared.sites.put("app", late[1], b"arrived")
    compared.sync_registry.mark(owed[0], Reference.tag(owed[1]))
    found = compared.judge(named)
    assert (found.tags, found.equal, found.named_tags, found.in_flight, found.unnamed_tags) == (5, 1, 1, 2, 1)
    assert ([one.tag for one in found.named], [one.tag for one in found.unnamed]) == ([named[1]], [lost[1]])
    assert (found.unjudged_tags, found.left) == (0, ())


def test_more_tags_than_are_named_are_counted(compared: Compared) -> None:
    named = pushed(compared, MOST_NAMED + 20)
    compared.compare()
    found = compared.judge(*named)
    assert (found.named_tags, len(found.named)) == (MOST_NAMED + 20, MOST_NAMED)
    unnamed = compared.judge()
    assert (unnamed.unnamed_tags, len(unnamed.unnamed)) == (MOST_NAMED + 20, MOST_NAMED)


@pytest.mark.parametrize("error", [unavailable(), MalformedManifest("no manifest"), OutOfTime("the time is over")])
def test_a_tag_that_cannot_be_looked_at_again_is_not_known_and_the_others_are(
    compared: Compared, error: GeosyncError
) -> None:
    (_, sick), (_, lost) = pushed(compared, 2)
    compared.compare()
    compared.sites.primary.errors[sick] = error
    found = compared.judge()
    assert (found.in_flight, found.unjudged_tags) == (0, 1)
    assert [one.tag for one in found.unnamed] == [lost]
    assert found.left == (f"1 tags that differ could not be looked at again, as app:{sick}: {error}",)


def test_a_later_look_replaces_the_error_of_an_earlier_one(compared: Compared) -> None:
    ((_, sick),) = pushed(compared, 1)
    compared.compare()
    compared.sites.primary.errors[sick] = unavailable()
    compared.sites.clock.meanwhile = compared.sites.primary.errors.clear
    found = compared.judge()
    assert (found.unjudged_tags, found.unnamed_tags, found.left) == (0, 1, ())


def test_at_most_so_many_are_looked_at_again(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "LOOKED_AT_AGAIN", 3)
    pushed(compared, 5)
    compared.compare()
    compared.sites.primary.asked.clear()
    found = compared.judge()
    assert len(set(compared.sites.primary.asked)) == 3
    assert (found.in_flight, found.unnamed_tags, found.unjudged_tags) == (0, 3, 2)
    assert found.left == ("2 tags that differ were not looked at again: at most 3 are",)


def test_the_looks_end_with_the_time_of_the_drill(compared: Compared) -> None:
    pushed(compared, 1)
    compared.compare()
    compared.sites.primary.deadline.set(1.0)
    compared.judge()
    assert len(compared.sites.clock.slept) == 1


@pytest.mark.parametrize("error", [Denied("dublin", "GET /v2/sick/tags/list", status=403), unavailable()])
def test_a_repository_that_cannot_be_read_is_said_and_the_others_are_compared(
    compared: Compared, error: GeosyncError
) -> None:
    for name in ("app", "sick", "tools"):
        compared.sites.put(name, "v1", b"one")
    compared.sites.primary.errors["sick"] = error
    found = compared.compare()
    assert (found.repositories, found.equal) == (2, [("app", "v1"), ("tools", "v1")])
    assert compared.judge().left == (f"sick was not compared: {error}",)


def test_the_end_of_the_time_ends_the_comparison(compared: Compared) -> None:
    for name in ("app", "late", "tools"):
        compared.sites.put(name, "v1", b"one")
    compared.sites.primary.errors["late"] = OutOfTime("the time is over")
    assert (compared.compare().equal, compared.judge().left) == (
        [("app", "v1")],
        ("not all tags were compared: the time is over",),
    )


def test_a_listing_that_breaks_off_is_said_also_where_nothing_on_it_could_be_read(compared: Compared) -> None:
    compared.sites.put("sick", "v1", b"one")
    compared.sites.primary.errors["sick"] = unavailable()
    compared.sites.primary.last_error = MalformedManifest("no page")
    compared.compare()
    assert compared.judge().left == (
        "not all tags were compared: no page",
        f"sick was not compared: {unavailable()}",
    )


def test_of_many_repositories_that_cannot_be_read_the_first_are_named(compared: Compared) -> None:
    for number in range(MOST_UNREAD + 5):
        compared.sites.put(f"sick{number}", "v1", b"one")
        compared.sites.primary.errors[f"sick{number}"] = unavailable()
    compared.compare()
    left = compared.judge().left
    assert (len(left), left[-1]) == (MOST_UNREAD + 1, "and 5 more")
