"""Every vendor against a plain registry, in both directions, with every format: copied, or unsupported and said so.

What is known of each vendor's rules is in its double, which fails the test when one is broken.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.ends import DOUBLES, AllEnds
from tests.integration.vendors.world import settle
from tests.support.images import ImageMaker, Made

from geosync.registries.vendors import VENDORS

FORMATS: dict[str, Callable[[ImageMaker, str], list[Made]]] = {
    "image": lambda make, repository: [make.image(repository, "v1")],
    "index": lambda make, repository: [make.index(repository, "v1", share=True)],
    "cache-a": lambda make, repository: [make.buildkit_cache(repository, "v1", form="A")],
    "cache-b": lambda make, repository: [make.buildkit_cache(repository, "v1", form="B")],
    "artifact": lambda make, repository: with_referrer(make, make.artifact(repository, "v1")),
    "schema1": lambda make, repository: [make.schema1(repository, "v1")],
}
#: What a vendor does not take, and what is said of it then. Everything else is copied, either way.
UNSUPPORTED = {
    ("plain", "schema1"): "most registries no longer take Docker schema 1",  # Distribution 3
    ("ecr", "cache-a"): "Amazon ECR takes no index of blobs",
    ("gitlab", "artifact"): "add it to the media types",
    ("gitlab", "schema1"): "GitLab's registry takes no schema 1 manifests",
}
#: From a vendor comes only what it takes.
CASES = [
    (vendor, direction, form)
    for vendor, direction, form in itertools.product(DOUBLES, ("to", "from"), FORMATS)
    if direction == "to" or (vendor, form) not in UNSUPPORTED
]


def with_referrer(make: ImageMaker, subject: Made) -> list[Made]:
    """A subject and its referrer, with the fallback tag that a client pushes where there is no referrers API."""
    referrer = make.artifact(subject.repository, subject=subject, artifact_type="application/vnd.example.sig")
    return [subject, referrer, make.fallback_tag(subject.repository, subject, [referrer])]


def test_every_vendor_is_in_the_matrix() -> None:
    assert set(DOUBLES) == {vendor.NAME for vendor in VENDORS}


@pytest.mark.parametrize(("vendor", "direction", "form"), CASES, ids=["-".join(case) for case in CASES])
def test_a_format_is_copied_or_said_to_be_unsupported(
    all_ends: AllEnds, vendor: str, direction: str, form: str
) -> None:
    ends = all_ends.of(vendor)
    repository = ends.repository()
    secondary, make = (ends.to, ends.plain) if direction == "to" else (ends.back, ends.vendor)
    made = FORMATS[form](make, repository)

    secondary.receive(*(pushed(one) for one in made))
    settle(secondary, repository)

    said = UNSUPPORTED.get((vendor, form)) if direction == "to" else None
    if said is None:
        assert secondary.owed(repository) == []
        assert all(digest(secondary, one) == one.digest for one in made)
        if form == "artifact":
            assert refers(secondary, made[0]) == {made[1].digest}
    else:
        assert {owed.reference.value for owed in secondary.owed(repository)} == {one.reference for one in made}
        for owed in secondary.owed(repository):
            assert owed.parked
            assert said in (owed.failure or "")
        assert len(secondary.dlq.messages) == len(made)
        secondary.dlq.messages.clear()
    assert ends.double.broken == []


def digest(secondary: Secondary, made: Made) -> str | None:
    there = secondary.registries.secondary.head_manifest(made.repository, made.reference)
    return there.digest if there is not None else None


def refers(secondary: Secondary, subject: Made) -> set[str]:
    """The referrers of `subject` at the secondary: by its API, or in the fallback tag."""
    registry = secondary.registries.secondary
    listed = registry.referrers(subject.repository, subject.digest)
    if listed is None:
        index = registry.get_manifest(subject.repository, subject.digest.replace(":", "-"))
        assert index is not None
        listed = list(index.children)
    return {one.digest for one in listed}
