"""Odd manifests that Distribution 2.8 took, to each vendor: equal and verified as whole, or parked with which text."""

from __future__ import annotations

import pytest
from tests.integration.secondary import event
from tests.integration.vendors.ends import DOUBLES, AllEnds
from tests.integration.verified import verify
from tests.support.odd_manifests import ODD, push

from geosync.sync_registry.items import Reference

OF_BLOBS = "Amazon ECR takes no index of blobs"
PARKED: dict[str, dict[str, str]] = {
    "ecr": {
        "child-of-an-unknown-media-type": OF_BLOBS,
        "child-without-a-media-type": OF_BLOBS,
        "child-called-a-layer": OF_BLOBS,
    },
}
"""What a vendor does not take, and what is said of it then. Everything else is equal."""
WAYS = ["announced", "found"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("vendor", DOUBLES)
def test_each_is_equal_or_parked_with_a_reason(all_ends: AllEnds, vendor: str, way: str) -> None:
    ends = all_ends.of(vendor)
    repository = ends.repository()
    digests = {tag: push(ends.plain, repository, tag, build) for tag, build in ODD.items()}
    if way == "announced":
        ends.to.receive(*(event("created", repository, tag=tag, digest=digest) for tag, digest in digests.items()))
    else:
        ends.to.sync_registry.mark(repository, Reference.whole())
    ends.to.sweep_until(lambda: all(one.parked for one in ends.to.owed(repository)))
    parked = {one.reference.value: one.failure or "" for one in ends.to.owed(repository)}
    assert {tag: said for tag, said in parked.items() if PARKED.get(vendor, {}).get(tag, "?") not in said} == {}
    assert parked.keys() == PARKED.get(vendor, {}).keys()
    equal = {tag: digest for tag, digest in digests.items() if tag not in parked}
    assert {tag: ends.to.digest(repository, tag) for tag in equal} == equal
    if not parked:
        verify(ends.to, repository)
        row = ends.to.row(repository)
        assert (row.verification_state, row.verification_failure) == ("2", None)
    assert ends.double.broken == []
    ends.to.dlq.messages.clear()
