"""A signature that nobody announced, of an image that is equal on both sides: a comparison finds it and brings it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.minutes import WALK, Site, compare, followed
from tests.integration.secondary import pushed
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Status as Answer
from tests.support.vendors.referrers import ReferrersDouble

from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Comparison, Mark

REFUSED = b'{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}'
"""A registry's own refusal, which is final."""

NO_DESCRIPTOR = json.dumps({"schemaVersion": 2, "manifests": [{"digest": "none", "size": 1}]}).encode()


@pytest.fixture
def double(start_registry: StartRegistry) -> Iterator[ReferrersDouble]:
    """A primary with the referrers API, and nothing in it but what the test pushes."""
    with ReferrersDouble(Place(registry=start_registry(RegistrySpec(name="referred"))).url) as one:
        yield one


@pytest.fixture
def site(double: ReferrersDouble, second_registry: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with followed(double, second_registry, monkeypatch) as one:
        yield one


@pytest.fixture
def make(double: ReferrersDouble) -> Iterator[ImageMaker]:
    with ImageMaker(double.url) as maker:
        yield maker


def synced(site: Site, *made: Made) -> None:
    """Announce what was made, and compare all of it for the first time."""
    for one in made:
        site.secondary.receive(pushed(one))
    compare(site, made[0].repository)


def sign(make: ImageMaker, subject: Made) -> Made:
    return make.artifact(subject.repository, subject=subject, artifact_type="application/vnd.example.signature")


def is_there(site: Site, *made: Made) -> bool:
    return all(site.secondary.digest(one.repository, one.digest) == one.digest for one in made)


def test_a_signature_that_no_notification_told_of_comes_and_counts_as_lost(
    site: Site, make: ImageMaker, repository: str
) -> None:
    image = make.image(repository, "v1", layers=1)
    synced(site, image)
    lost = sign(make, image)

    found = compare(site, repository)

    assert is_there(site, lost)
    assert found.lost is not None
    assert (found.lost.count, found.lost.reference) == (1, lost.digest)
    site.beat()
    site.deliver()
    assert site.minute().recovery_point == found.proved_at, "what comparisons prove, and no heartbeat"
    site.secondary.receive(pushed(make.image(repository, "v2", layers=1)))  # the registry posts again
    assert compare(site, repository).lost is None


def test_what_is_missing_is_owed_since_the_last_comparison(site: Site, make: ImageMaker, repository: str) -> None:
    image = make.image(repository, "v1", layers=1)
    synced(site, image)
    proved_at = site.status().proved_at
    lost = sign(make, image)
    site.secondary.secondary_proxy.add(Answer(status=400, kind="manifest", method="PUT", times=1000, body=REFUSED))

    site.secondary.receive(WALK)
    site.secondary.sweep_until(lambda: [one.parked for one in site.secondary.owed(repository)] == [True])

    found = site.minute()
    (owed,) = found.would_be_lost
    assert owed.reference == lost.digest
    assert owed.pushed_at == proved_at
    assert (found.proved_at, found.recovery_point) == (proved_at, proved_at)


def test_a_signature_whose_event_comes_after_the_comparison_is_not_lost(
    site: Site, make: ImageMaker, repository: str
) -> None:
    image = make.image(repository, "v1", layers=1)
    synced(site, image)
    late = pushed(sign(make, image))

    compare(site, repository)
    site.secondary.receive(late)

    assert site.status().lost is None


def test_a_signature_whose_event_is_worked_off_meanwhile_is_not_lost(
    site: Site, make: ImageMaker, repository: str
) -> None:
    image = make.image(repository, "v1", layers=1)
    synced(site, image)
    announced = sign(make, image)
    site.secondary.sync_registry.mark(repository, Reference.digest(announced.digest), Mark(expects=announced.digest))

    found = compare(site, repository)

    assert is_there(site, announced)
    assert found.lost is None


def test_a_signature_that_somebody_removed_at_the_secondary_is_no_lost_notification(
    site: Site, make: ImageMaker, repository: str
) -> None:
    image = make.image(repository, "v1", layers=1)
    signature = sign(make, image)
    synced(site, image, signature)
    site.secondary.registries.secondary.delete_manifest(repository, signature.digest)
    assert not is_there(site, signature)

    found = compare(site, repository)

    assert is_there(site, signature)
    assert found.lost is None


def test_referrers_of_referrers_and_of_what_is_below_an_index_are_found_and_each_digest_is_asked_about_once(
    site: Site, make: ImageMaker, repository: str
) -> None:
    child, other = make.image(repository, layers=1), make.image(repository, layers=1)
    index = make.index_of(repository, "multi", [child, other])
    image = make.image(repository, "v1", layers=1)
    again = [make.retag(image, f"again-{number}") for number in range(3)]
    synced(site, index, image, *again)
    sbom = sign(make, image)
    referrers = [sbom, sign(make, sbom), sign(make, child), *(sign(make, index) for _ in range(3))]
    compare(site, repository)
    assert is_there(site, *referrers)
    assert len(site.secondary.dlq.messages) == 0
    site.secondary.reset()

    compare(site, repository)

    pages = 1  # more than one page has the index's three
    manifests = len([index, child, other, image])
    assert site.secondary.primary_proxy.counts() == {
        ("GET", "catalog"): 1,
        ("GET", "tags"): 1,
        ("HEAD", "tag"): 5,
        ("GET", "referrers"): manifests + len(referrers) + pages,
    }
    assert site.secondary.secondary_proxy.counts() == {
        ("GET", "tags"): 1,
        ("HEAD", "tag"): 1,
        ("GET", "manifest"): 1,
        ("HEAD", "manifest"): len(referrers),
    }


def test_the_referrers_of_a_tag_that_is_not_here_yet_are_asked_for_too(
    site: Site, make: ImageMaker, repository: str
) -> None:
    synced(site, make.image(repository, "v0", layers=1))
    stuck = make.image(repository, "v1", layers=1)
    site.secondary.secondary_proxy.add(Answer(status=400, kind="tag", method="PUT", times=1, body=REFUSED))
    site.secondary.receive(pushed(stuck))
    site.secondary.sweep_until(lambda: [one.parked for one in site.secondary.owed(repository)] == [True])
    lost = sign(make, stuck)

    site.secondary.receive(WALK)
    site.secondary.sweep_until(lambda: is_there(site, lost))

    assert [one.reference for one in site.secondary.owed(repository)] == [Reference.tag("v1")]


def test_a_tag_that_a_comparison_found_brings_its_signature_though_its_own_event_came_meanwhile(
    site: Site, make: ImageMaker, repository: str
) -> None:
    image = make.image(repository, "v1", layers=1)
    lost = sign(make, image)
    sync_registry = site.secondary.sync_registry
    sync_registry.mark(repository, Reference.tag("v1"), Mark(comparison=Comparison(walk=1)))
    sync_registry.mark(repository, Reference.tag("v1"), Mark(expects=image.digest))

    site.secondary.sweep_until(lambda: not site.secondary.owed(repository))

    assert is_there(site, lost)


def test_an_image_whose_referrers_cannot_be_read_is_named_and_the_others_go_on(
    site: Site, double: ReferrersDouble, make: ImageMaker, repository: str
) -> None:
    broken, image = make.image(repository, "a", layers=1), make.image(repository, "b", layers=1)
    synced(site, broken, image)
    double.answers[broken.digest] = double.document(json.loads(NO_DESCRIPTOR))
    lost = sign(make, image)

    site.secondary.receive(WALK)
    site.secondary.sweep_until(lambda: [one.parked for one in site.secondary.owed(repository)] == [True], passing=100)

    assert is_there(site, lost)
    assert [one.reference for one in site.secondary.owed(repository)] == [Reference.tag("a")]
