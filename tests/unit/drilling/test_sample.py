"""The sample: a reference is right to the last byte only if all of it was read and right."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.unit.drilling.played import PlayedSites, digest

from geosync.drilling.findings import SampleFound
from geosync.drilling.sample import Sample
from geosync.drilling.truth import Tag
from geosync.errors import DigestMismatch

BOTH_TAGS: list[Tag] = [("app", "v1"), ("app", "v2")]


def pulled(sites: PlayedSites, chosen: list[Tag], *, most_bytes: int = 1000) -> SampleFound:
    with ThreadPoolExecutor(4) as pool:
        return Sample(sites.both, pool, most_bytes=most_bytes).pull(chosen)


def test_a_blob_that_two_references_share_is_read_once() -> None:
    sites = PlayedSites()
    sites.put("app", "v1", b"shared", b"one")
    sites.put("app", "v2", b"shared", b"two")
    found = pulled(sites, BOTH_TAGS)
    assert (found.pulled, found.blobs, found.bad, found.left) == (2, 4, (), ())
    assert sites.secondary.asked.count(digest(b"shared")) == 1


def test_a_reference_that_shares_an_unread_blob_does_not_count_as_right_to_the_last_byte() -> None:
    sites = PlayedSites()
    sites.put("app", "v1", b"shared" * 100)
    sites.put("app", "v2", b"shared" * 100)
    found = pulled(sites, BOTH_TAGS, most_bytes=10)
    assert (found.pulled, found.bad) == (0, ())
    assert found.left == ("1 blobs are beyond the 10 bytes that are read",)


def test_a_reference_that_shares_a_bad_blob_is_bad() -> None:
    sites = PlayedSites()
    sites.put("app", "v1", b"shared")
    sites.put("app", "v2", b"shared")
    sites.secondary.errors[digest(b"shared")] = DigestMismatch("other bytes")
    found = pulled(sites, BOTH_TAGS)
    assert (found.pulled, found.bad_references) == (0, 2)
    assert found.bad == ("app:v1: other bytes", "app:v2: other bytes")
    assert sites.secondary.asked.count(digest(b"shared")) == 1
