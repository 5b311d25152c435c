"""A destination that changes its habits: a former check is no proof that the parts of a manifest are there."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.unit.copying.asked import requests
from tests.unit.copying.fakes import FakeRegistry, descriptor_of, digest_of
from tests.unit.copying.sites import Site, layers

from geosync.copying import referrers
from geosync.copying.copy import Copier
from geosync.copying.outcome import CopyResult
from geosync.copying.parts import CopyRun, Retry
from geosync.copying.refusals import MANY_PARTS
from geosync.oci.manifests import Manifest
from geosync.oci.transport import Body
from geosync.oci.uploads import Upload


def index_of_two(site: Site, start: int = 0) -> Manifest:
    return site.source.add_index(*(site.source.add_image(*layers(2, start=start + number)) for number in (0, 10)))


def forget(site: Site) -> None:
    site.source.requests.clear()
    site.destination.requests.clear()


def stop_checking(registry: FakeRegistry) -> None:
    registry.checks_blobs = registry.checks_children = False


@pytest.mark.parametrize("shape", ["image", "index"])
def test_after_a_failure_a_refusal_in_time_costs_no_extra_request(shape: str) -> None:
    """Of an index few children are missing as a rule, and of an image of fewer than 100 blobs few layers."""
    made: list[Counter[str]] = []
    for is_again in (False, True):
        site = Site()
        if shape == "image":
            copied = site.source.add_image(*layers(MANY_PARTS - 2))
        else:
            copied = site.source.add_index(*(site.source.add_image(*layers(2, start=10 * one)) for one in range(4)))
            site.destination.manifests = {one.digest: site.source.manifests[one.digest] for one in copied.children[1:]}
        site.destination.blobs = dict(site.source.blobs)
        del site.destination.blobs[digest_of(layers(1)[0])]
        with site.copier() as copier:
            copier.copy(copied, "v1", retry=Retry(is_again=is_again))
        assert site.is_whole(copied)
        made.append(requests(site))
    assert made[0] == made[1]
    assert made[0]["POST upload"] == (1 if shape == "image" else 3), "what is there was not asked for"


# --- it stops to check


@pytest.mark.parametrize("shape", ["image", "index", "index of indexes"])
def test_parts_of_a_manifest_that_was_taken_without_a_check_are_looked_for_and_brought(site: Site, shape: str) -> None:
    made = site.source.add_image(*layers(3)) if shape == "image" else index_of_two(site)
    made = site.source.add_index(made) if shape == "index of indexes" else made
    copier = site.copier()
    stop_checking(site.destination)
    with copier:
        copier.copy(made, "v1")
    assert site.is_whole(made)
    assert copier.disproved


def test_in_the_middle_of_a_run_the_next_reference_is_whole_as_well(site: Site) -> None:
    first, second, third = (index_of_two(site, start=100 * number) for number in range(3))
    with site.copier() as copier:
        copier.copy(first, "v1")
        disproved = [copier.disproved]
        stop_checking(site.destination)
        copier.copy(second, "v2")
        disproved.append(copier.disproved)
        forget(site)
        copier.copy(third, "v3")
    assert disproved == [False, True]
    assert all(site.is_whole(one) for one in (first, second, third))
    assert site.destination.of("PUT manifest")[-1] == "v3"
    assert site.destination.of("PUT manifest").count("v3") == 1, "from now on the parts come first"


def test_between_the_two_puts_of_an_index_what_it_named_is_there_anyway(site: Site) -> None:
    index = index_of_two(site)

    def stop(verb: str, what: str) -> None:
        if (verb, what) == ("PUT manifest", index.children[0].digest):
            stop_checking(site.destination)

    site.destination.before = stop
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.is_whole(index)
    assert not copier.disproved


def test_a_child_that_a_refusal_did_not_name_is_looked_for(site: Site) -> None:
    """Distribution 3, `validation.manifests.indexes.platforms: list`: it checks the children of some platforms only."""
    index = index_of_two(site)
    _, unchecked = index.children
    site.destination.never_checked = {unchecked.digest}
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.is_whole(index)
    assert site.destination.of("HEAD manifest") == [unchecked.digest]


# --- what the looks cost


def copied_anew(site: Site, made: Manifest) -> Copier:
    """Copy `made`, then again under another tag by a copier that knows nothing of the first one."""
    with site.copier() as first:
        first.copy(made, "v1")
    forget(site)
    with site.copier() as second:
        second.copy(made, "v2")
    assert site.source.requests == []
    assert site.destination.count("PUT manifest") == 1
    return second


def test_another_tag_of_an_image_that_is_there_is_one_request_for_each_blob(site: Site) -> None:
    copier = copied_anew(site, site.source.add_image(*layers(5)))
    assert Counter(verb for verb, _ in site.destination.requests) == {"PUT manifest": 1, "POST upload": 5 + 1}
    assert not copier.disproved


def test_another_tag_of_an_index_that_is_there_is_one_request_for_each_child(site: Site) -> None:
    copied_anew(site, index_of_two(site))
    assert Counter(verb for verb, _ in site.destination.requests) == {"PUT manifest": 1, "HEAD manifest": 2}


def test_an_index_whose_children_came_in_this_run_needs_no_look(site: Site) -> None:
    index = index_of_two(site)
    with site.copier() as copier:
        for child in index.children:
            copier.copy(site.source.manifests[child.digest], None)
        forget(site)
        copier.copy(index, "v1")
    assert site.source.requests == []
    assert site.destination.requests == [("PUT manifest", "v1")]


def test_a_refused_image_shows_that_its_other_blobs_were_checked(site: Site) -> None:
    image = site.source.add_image(*layers(5))
    for layer in image.blobs[1:]:
        site.destination.blobs[layer.digest] = site.source.blobs[layer.digest]
    with site.copier() as copier:
        copier.copy(image, "v1")
    assert site.destination.count("POST upload") == 1


def test_parts_that_were_looked_for_first_are_not_looked_for_again() -> None:
    site = Site(checks_blobs=False, checks_children=False)
    index = index_of_two(site)
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert Counter(site.destination.of("HEAD manifest")) == Counter(child.digest for child in index.children)
    assert max(Counter(site.destination.of("POST upload")).values()) == 1
    assert not copier.disproved


# --- a manifest that an earlier attempt left half copied


def test_a_manifest_that_is_whole_is_not_put_again(site: Site) -> None:
    image = site.source.add_image(*layers(3))
    with site.copier() as copier:
        copier.copy(image, "v1")
    forget(site)
    with site.copier() as copier:
        result = copier.copy(image, "v1", is_there=True)
    assert site.destination.count("PUT manifest") == 0
    assert (result.manifests_put, result.blobs_there) == (0, 4)
    assert not copier.disproved


@pytest.mark.parametrize("shape", ["image", "index"])
def test_a_manifest_that_is_there_gets_its_missing_parts(site: Site, shape: str) -> None:
    made = site.source.add_image(*layers(3)) if shape == "image" else index_of_two(site)
    site.destination.manifests[made.digest] = made
    site.destination.tagged["v1"] = made.digest
    with site.copier() as copier:
        assert copier.copy(made, "v1", is_there=True).manifests_put > 0
    assert site.is_whole(made)


def child_without_its_parts(site: Site) -> tuple[Manifest, Manifest]:
    """An index whose children are at the destination, the first without its blobs."""
    index = index_of_two(site)
    child, whole = (site.source.manifests[one.digest] for one in index.children)
    with site.copier() as earlier:
        earlier.copy(whole, None)
    site.destination.manifests[child.digest] = child
    return index, child


def test_a_child_that_was_only_found_there_is_copied_when_it_is_asked_for_by_itself(site: Site) -> None:
    index, child = child_without_its_parts(site)
    with site.copier() as copier:
        stop_checking(site.destination)
        copier.copy(index, "v1")
        assert not site.is_whole(child)
        assert not copier.join(child.digest)
        copier.copy(child, None, is_there=True)
        assert site.is_whole(child)
        assert copier.join(child.digest)


@pytest.mark.parametrize("tag", [None, "v2"])
def test_a_child_that_was_only_found_there_is_looked_below_after_its_own_put(site: Site, tag: str | None) -> None:
    index, child = child_without_its_parts(site)
    with site.copier() as copier:
        stop_checking(site.destination)
        copier.copy(index, "v1")
        copier.copy(child, tag)
    assert site.is_whole(child)


def test_a_child_that_somebody_asks_for_while_it_is_found_there_is_looked_below(site: Site) -> None:
    index, child = child_without_its_parts(site)
    asked = CopyRun(threading.Event())
    with site.copier() as copier:

        def ask(verb: str, what: str) -> None:
            if (verb, what) == ("HEAD manifest", child.digest):
                assert copier._graph.join(asked, child.digest)

        stop_checking(site.destination)
        site.destination.before = ask
        copier.copy(index, "v1")
    assert asked.ended.is_set()
    assert site.is_whole(child)


# --- what is no sign of it


def test_a_layer_that_is_on_its_way_for_another_reference_was_not_missing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry has it, and its answer is not here yet, when the other reference's manifest is taken at once."""
    layer, config = b"a layer" * 40, b'{"another": "config"}'
    first, second = site.source.add_image(layer), site.source.add_image(layer, config=config)
    site.destination.add_blob(config)
    put, looked = FakeRegistry.put_blob, threading.Event()

    def before(verb: str, what: str) -> None:
        if (verb, what) == ("POST upload", digest_of(config)):
            looked.set()

    with site.copier() as copier, ThreadPoolExecutor(1) as pool:
        others: list[Future[CopyResult]] = []

        def slow(self: FakeRegistry, upload: Upload, digest: str, body: Body) -> None:
            put(self, upload, digest, body)
            if digest == digest_of(layer):
                others.append(pool.submit(copier.copy, second, "v2"))
                assert looked.wait(60)

        site.destination.before = before
        monkeypatch.setattr(FakeRegistry, "put_blob", slow)
        copier.copy(first, "v1")
        others[0].result()
    assert site.destination.of("PUT manifest").count("v2") == 1
    assert not copier.disproved
    assert site.is_whole(second)


# --- the referrers API


def referrer_at(site: Site) -> Manifest:
    subject = site.source.add_image(*layers(1), tag="v1")
    site.source.referrers_api = True
    return site.source.add_image(b"signature", subject=descriptor_of(subject))


def test_a_registry_that_lost_its_referrers_api_gets_the_fallback_tag() -> None:
    site = Site(referrers_api=True)
    referrer = referrer_at(site)
    copier = site.copier()
    site.destination.referrers_api = False
    with copier:
        copier.copy(referrer, None)
    assert referrer.subject is not None
    listed = site.destination.manifests[site.destination.tagged[referrers.fallback_tag(referrer.subject.digest)]]
    assert [one.digest for one in listed.children] == [referrer.digest]


@pytest.mark.parametrize(("says_subject", "asked"), [(True, 0), (False, 1)])
def test_a_registry_that_says_that_it_lists_a_referrer_is_not_asked(*, says_subject: bool, asked: int) -> None:
    site = Site(referrers_api=True)
    referrer = referrer_at(site)
    site.destination.says_subject = says_subject
    with site.copier() as copier:
        copier.copy(referrer, None)
    assert site.destination.count("GET referrers") == asked
    assert site.destination.tagged == {}
