"""A tag that moves is put last: until all of the new image is at the destination, it names the one before, whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from tests.unit.copying.fakes import FakeRegistry
from tests.unit.copying.sites import REPOSITORY, Site, layers

from geosync.copying.parts import Retry
from geosync.errors import BlobsUnknown, Denied, OutOfTime, Refused, RegistryError
from geosync.oci.manifests import Manifest

TAG = "latest"
Make = Callable[[Site, int], Manifest]


def image_of(site: Site, start: int) -> Manifest:
    return site.source.add_image(*layers(3, start=start))


def index_of(site: Site, start: int) -> Manifest:
    return site.source.add_index(*(site.source.add_image(*layers(2, start=start + number)) for number in (0, 10)))


SHAPES = pytest.mark.parametrize("make", [image_of, index_of])


def tag_before(site: Site) -> Manifest:
    """Have the tag name a whole image at the destination."""
    before = image_of(site, 500)
    with site.copier() as copier:
        copier.copy(before, TAG)
    site.source.requests.clear()
    site.destination.requests.clear()
    return before


def requests(site: Site) -> Counter[str]:
    return Counter(verb for verb, _ in (*site.source.requests, *site.destination.requests))


@SHAPES
def test_moving_a_tag_to_a_new_image_costs_no_extra_request(make: Make) -> None:
    costs = []
    for replaces in (False, True):
        site = Site()
        tag_before(site)
        made = make(site, 0)
        with site.copier() as copier:
            copier.copy(made, TAG, replaces=replaces)
        assert site.is_whole(made)
        assert site.destination.tagged[TAG] == made.digest
        costs.append(requests(site))
    assert costs[0] == costs[1]
    assert site.destination.of("PUT manifest")[0] == made.digest
    assert site.destination.of("PUT manifest").count(TAG) == 1


@pytest.mark.parametrize(
    ("make", "at"),
    [(image_of, "POST upload"), (image_of, "PUT blob"), (index_of, "HEAD manifest"), (index_of, "PUT blob")],
)
def test_a_copy_that_breaks_off_on_a_registry_that_stopped_to_check_leaves_the_tag(
    site: Site, make: Make, at: str
) -> None:
    before = tag_before(site)
    made = make(site, 0)
    site.destination.checks_blobs = site.destination.checks_children = False

    def end(verb: str, _: str) -> None:
        if verb == at:
            raise OutOfTime("the end")

    copier = site.copier()
    copier._habits = Site().habits  # as it was learnt when the registry checked
    with copier:
        site.destination.before = end
        with pytest.raises(OutOfTime):
            copier.copy(made, TAG, replaces=True)
        assert made.digest in site.destination.manifests, "it was taken by its digest"
        assert site.destination.tagged[TAG] == before.digest
        site.destination.before = lambda *_: None
        copier.copy(made, TAG, retry=Retry(looks_below=True), replaces=True)
    assert site.destination.tagged[TAG] == made.digest
    assert site.is_whole(made)


def test_children_that_a_refusal_did_not_name_are_looked_for_before_the_tag_moves(site: Site) -> None:
    before = tag_before(site)
    index = index_of(site, 0)
    unchecked = index.children[1].digest
    site.destination.never_checked = {unchecked}
    tags: list[str] = []

    def note(verb: str, what: str) -> None:
        if (verb, what) == ("HEAD manifest", unchecked):
            tags.append(site.destination.tagged[TAG])

    site.destination.before = note
    with site.copier() as copier:
        copier.copy(index, TAG, replaces=True)
    assert tags == [before.digest]
    assert site.is_whole(index)
    assert site.destination.of("PUT manifest").count(TAG) == 1


@SHAPES
def test_moving_a_tag_to_an_image_that_is_there_costs_one_more_request(make: Make) -> None:
    costs = []
    for replaces in (False, True):
        site = Site()
        made = make(site, 0)
        with site.copier() as copier:
            copier.copy(made, "v1")
        tag_before(site)
        with site.copier() as copier:
            copier.copy(made, TAG, replaces=replaces)
        assert site.destination.tagged[TAG] == made.digest
        costs.append(requests(site))
    assert costs[1] - costs[0] == Counter({"PUT manifest": 1})


def test_a_tag_that_follows_another_in_the_same_run_costs_one_request(site: Site) -> None:
    tag_before(site)
    made = image_of(site, 0)
    with site.copier() as copier:
        copier.copy(made, "v1")
        site.destination.requests.clear()
        copier.copy(made, TAG, replaces=True)
    assert site.destination.requests == [("PUT manifest", TAG)]


def test_only_the_put_of_the_tag_is_guarded(site: Site) -> None:
    tag_before(site)
    site.guarded = 0
    with site.copier() as copier:
        copier.copy(image_of(site, 0), TAG, replaces=True)
    assert site.guarded == 1


Put = Callable[[FakeRegistry, str, str, Manifest], bool]


def change_put(monkeypatch: pytest.MonkeyPatch, change: Callable[[Put, FakeRegistry, str, Manifest], None]) -> None:
    """Have `change` step in before each PUT of a manifest; it may raise, or make the PUT itself."""
    put = FakeRegistry.put_manifest

    def changed(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> bool:
        change(put, self, reference, manifest)
        return put(self, repository, reference, manifest)

    monkeypatch.setattr(FakeRegistry, "put_manifest", changed)


@SHAPES
def test_a_tag_whose_put_is_refused_for_what_is_there_is_put_again(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy of the storage that the registry asked is behind. What the image before has as well is found there."""
    tag_before(site)
    made = make(site, 0)
    named = [entry.digest for entry in (made.entries if made.is_index else made.blobs)]
    refused: list[str] = []

    def refuse_once(_: Put, registry: FakeRegistry, reference: str, manifest: Manifest) -> None:
        if reference == TAG and not refused:
            refused.append(manifest.digest)
            raise BlobsUnknown(registry.name, f"PUT {reference}", named[1:])

    change_put(monkeypatch, refuse_once)
    with site.copier() as copier:
        copier.copy(made, TAG, replaces=True)
        assert refused == [made.digest]
        assert site.destination.tagged[TAG] == made.digest
        assert copier.join(made.digest)
        assert not copier.disproved
    assert site.is_whole(made)


@SHAPES
def test_a_registry_that_names_only_the_first_missing_part_checks_all_the_same(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag_before(site)
    made = make(site, 0)

    def name_one(put: Put, registry: FakeRegistry, reference: str, manifest: Manifest) -> None:
        try:
            put(registry, REPOSITORY, reference, manifest)
        except BlobsUnknown as answer:
            raise BlobsUnknown(registry.name, answer.request, answer.missing[:1]) from answer

    change_put(monkeypatch, name_one)
    with site.copier() as copier:
        copier.copy(made, TAG, replaces=True)
        assert not copier.disproved
    assert site.destination.tagged[TAG] == made.digest
    assert site.is_whole(made)


REFUSALS = pytest.mark.parametrize(("kind", "status"), [(Refused, 400), (Denied, 403)])


def refuse_by_digest(
    kind: type[RegistryError], status: int, _: Put, registry: FakeRegistry, reference: str, manifest: Manifest
) -> None:
    if reference == manifest.digest:
        raise kind(registry.name, f"PUT {reference}", status=status)


@REFUSALS
def test_a_registry_that_takes_no_manifest_by_its_digest_gets_it_by_its_tag_for_one_request_more(
    kind: type[RegistryError], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    for replaces in (False, True):
        site = Site()
        tag_before(site)
        made = image_of(site, 0)
        with monkeypatch.context() as patched, site.copier() as copier:
            change_put(patched, partial(refuse_by_digest, kind, status))
            copier.copy(made, TAG, replaces=replaces)
        assert site.is_whole(made)
        assert site.destination.tagged[TAG] == made.digest
        costs.append(requests(site))
    assert costs[0] == costs[1], "but for the one by the digest, which is refused before it is counted"


def test_a_registry_that_denies_the_digest_and_the_tag_says_so_of_the_tag(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tag_before(site)
    made = image_of(site, 0)

    def deny(_: Put, registry: FakeRegistry, reference: str, manifest: Manifest) -> None:
        raise Denied(registry.name, f"PUT {reference}", status=403)

    change_put(monkeypatch, deny)
    with site.copier() as copier, pytest.raises(Denied, match=f"PUT {TAG}"):
        copier.copy(made, TAG, replaces=True)
    assert site.destination.tagged[TAG] == before.digest


@REFUSALS
def test_a_registry_that_takes_a_manifest_only_by_its_tag_may_refuse_it_once_for_missing_blobs(
    site: Site, kind: type[RegistryError], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag_before(site)
    made = image_of(site, 0)
    tags: list[str] = []

    def refuse(put: Put, registry: FakeRegistry, reference: str, manifest: Manifest) -> None:
        refuse_by_digest(kind, status, put, registry, reference, manifest)
        tags.append(reference)
        if len(tags) == 2:  # the first one asks
            raise BlobsUnknown(registry.name, f"PUT {reference}", [made.blobs[0].digest])

    change_put(monkeypatch, refuse)
    with site.copier() as copier:
        copier.copy(made, TAG, replaces=True)
    assert tags == [TAG] * 3
    assert site.destination.tagged[TAG] == made.digest
