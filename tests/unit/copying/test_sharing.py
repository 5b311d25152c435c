"""Blobs that another repository of the site has are mounted; a hint that is wrong costs nothing and is replaced."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.clock import FakeClock
from tests.unit.copying.sites import Site, layers
from tests.unit.copying.tables import CountingStore

from geosync.copying.repair import Repairer
from geosync.copying.route import Route
from geosync.copying.sharing import CLAIMED_FROM, RENEWAL_S, Shared, Sharing
from geosync.errors import NotFound, OutcomeUnknown, OutOfTime, ReadOnly, RegistryError, RegistryUnavailable
from geosync.oci.manifests import Manifest
from geosync.sync_registry.items import Item
from geosync.sync_registry.shared_blobs import CLAIM_MS, KEPT_S, SharedBlob, SharedBlobItems

OWN, OTHER = "mirror/app", "mirror/base"
LARGE = b"x" * CLAIMED_FROM


def others_have(site: Site, items: SharedBlobItems, image: Manifest, *repositories: str) -> None:
    """Have other repositories at the destination hold the blobs of `image`, and the table say so."""
    digests = [blob.digest for blob in image.blobs]
    for name in repositories:
        site.destination.others[name] = set(digests)
    items.note(dict.fromkeys(digests, repositories))


def requests(site: Site) -> Counter[str]:
    return Counter(verb for verb, _ in (*site.source.requests, *site.destination.requests))


def test_a_blob_of_another_repository_is_mounted_with_one_read_and_one_write(
    site: Site, store: CountingStore, items: SharedBlobItems, sharing: Sharing, clock: FakeClock
) -> None:
    image = site.source.add_image(*layers(5))
    others_have(site, items, image, OTHER)
    store.calls.clear()
    with site.copier(sharing=sharing) as copier:
        result = copier.copy(image, "v1")
    assert requests(site) == {"PUT manifest": 2, "POST mount": 6}, "with the caller's GET and HEAD: ten"
    assert (result.bytes_copied, result.blobs_there, result.blobs_copied) == (0, 6, 0)
    assert store.calls == {"batch_get": 1}
    sharing.tell()
    assert store.calls == {"batch_get": 1, "batch_put": 1}
    assert sharing.outcome() == Shared(mounted=6)
    hints = items.read(blob.digest for blob in image.blobs)
    assert set(hints.values()) == {SharedBlob(repositories=(OWN, OTHER))}
    assert {item["expire_at"] for item in store.table.values()} == {clock.now_ms() // 1000 + KEPT_S}


def test_an_unshared_blob_costs_no_extra_request_and_is_recorded(
    site: Site, store: CountingStore, items: SharedBlobItems, sharing: Sharing
) -> None:
    image = site.source.add_image(*layers(5))
    with site.copier(sharing=sharing) as copier:
        copier.copy(image, "v1")
    assert requests(site) == {"PUT manifest": 2, "POST upload": 6, "GET blob": 6, "PUT blob": 6}
    assert store.calls == {"batch_get": 1}
    sharing.tell()
    assert store.calls == {"batch_get": 1, "batch_put": 1}
    assert set(items.read(blob.digest for blob in image.blobs).values()) == {SharedBlob(repositories=(OWN,))}
    assert sharing.outcome() == Shared()


def test_more_than_a_batch_is_told_before_the_end(site: Site, store: CountingStore, sharing: Sharing) -> None:
    with site.copier(sharing=sharing) as copier:
        copier.copy(site.source.add_image(*layers(60)), "v1")
    assert store.calls["batch_put"] == 2


def test_a_wrong_hint_becomes_an_upload_and_is_replaced(site: Site, items: SharedBlobItems, sharing: Sharing) -> None:
    image = site.source.add_image(*layers(3))
    others_have(site, items, image, OTHER)
    site.destination.others.clear()
    with site.copier(sharing=sharing) as copier:
        result = copier.copy(image, "v1")
    assert requests(site) == {"PUT manifest": 2, "POST mount": 4, "GET blob": 4, "PUT blob": 4}, "no request more"
    assert site.is_whole(image)
    assert result.blobs_copied == 4
    sharing.tell()
    assert set(items.read(blob.digest for blob in image.blobs).values()) == {SharedBlob(repositories=(OWN,))}
    assert sharing.outcome() == Shared(wrong=(OTHER,)), "said once, whatever the number of its blobs"


@pytest.mark.parametrize("checks_blobs", [True, False])
def test_a_wrong_hint_for_what_is_there_moves_nothing_and_is_no_sign_of_a_registry_that_does_not_check(
    site: Site, items: SharedBlobItems, sharing: Sharing, *, checks_blobs: bool
) -> None:
    site.destination.checks_blobs = checks_blobs
    image = site.source.add_image(*layers(3))
    with site.copier() as first:
        first.copy(image, "v1")
    others_have(site, items, image, OTHER)
    site.destination.others.clear()
    site.source.requests.clear()
    site.destination.requests.clear()
    with site.copier(sharing=sharing) as copier:
        result = copier.copy(image, "v2")
    assert requests(site) == {"PUT manifest": 1, "POST mount": 4, "HEAD blob": 4}
    assert (result.blobs_there, result.blobs_copied) == (4, 0)
    assert not copier.disproved


def refuse(site: Site, verb: str, error: RegistryError) -> None:
    """Have the destination answer so to each request with `verb`."""

    def before(asked: str, what: str) -> None:
        if asked == verb:
            raise error

    site.destination.before = before


@pytest.mark.parametrize(
    "error",
    [
        NotFound("destination:5000", "POST", status=404, codes=("NAME_UNKNOWN",)),
        ReadOnly("destination:5000", "POST", everywhere=True),
        ReadOnly("destination:5000", "POST", codes=("UNSUPPORTED",), everywhere=False),
        RegistryUnavailable("destination:5000", "POST", status=503),
        OutcomeUnknown("destination:5000", "POST", status=500),
    ],
    ids=["no such repository", "a bare 405", "unsupported", "503", "500"],
)
def test_a_registry_that_answers_a_mount_from_elsewhere_with_an_error_gets_an_upload(
    site: Site, items: SharedBlobItems, sharing: Sharing, error: RegistryError
) -> None:
    image = site.source.add_image(*layers(2))
    others_have(site, items, image, OTHER)
    refuse(site, "POST mount", error)
    with site.copier(sharing=sharing) as copier:
        copier.copy(image, "v1")
    assert requests(site) == {"PUT manifest": 2, "POST mount": 3, "POST upload": 3, "GET blob": 3, "PUT blob": 3}
    assert site.is_whole(image)
    assert sharing.outcome() == Shared(wrong=(OTHER,))


def test_a_registry_that_does_not_answer_a_mount_ends_the_copy(
    site: Site, items: SharedBlobItems, sharing: Sharing
) -> None:
    image = site.source.add_image(*layers(1))
    others_have(site, items, image, OTHER)
    refuse(site, "POST mount", RegistryUnavailable(site.destination.name, "POST", detail="timed out"))
    with site.copier(sharing=sharing) as copier, pytest.raises(RegistryUnavailable):
        copier.copy(image, "v1")


def test_a_registry_that_takes_no_upload_either_is_read_only(
    site: Site, items: SharedBlobItems, sharing: Sharing
) -> None:
    image = site.source.add_image(*layers(1))
    others_have(site, items, image, OTHER)

    def before(verb: str, what: str) -> None:
        if verb.startswith("POST"):
            raise ReadOnly(site.destination.name, verb, everywhere=True)

    site.destination.before = before
    with site.copier(sharing=sharing) as copier, pytest.raises(ReadOnly):
        copier.copy(image, "v1")
    assert "POST upload" in requests(site)


def test_a_mount_that_the_registry_denies_afterwards_is_sent(
    site: Site, items: SharedBlobItems, sharing: Sharing
) -> None:
    image = site.source.add_image(*layers(3))
    others_have(site, items, image, OTHER)
    site.destination.lost = {image.blobs[1].digest}
    with site.copier(sharing=sharing) as copier:
        copier.copy(image, "v1")
    assert site.destination.of("PUT blob") == [image.blobs[1].digest]
    assert requests(site)["PUT manifest"] == 3
    assert site.is_whole(image)


def test_a_distrusted_blob_is_not_mounted(site: Site, items: SharedBlobItems, sharing: Sharing) -> None:
    image = site.source.add_image(*layers(2))
    others_have(site, items, image, OTHER)
    route = Route(pair=site.pair, sharing=sharing)
    wrong = image.blobs[0].digest
    Repairer(route, check=lambda: None).repair(image, frozenset({wrong}))
    assert requests(site)["POST mount"] == 0
    assert wrong in site.destination.of("PUT blob")


def test_the_blobs_of_an_image_come_from_one_repository_if_it_has_them(
    site: Site, items: SharedBlobItems, sharing: Sharing
) -> None:
    """Each other repository may cost a token of its own."""
    image = site.source.add_image(*layers(5))
    others_have(site, items, image, OTHER)
    names = [f"mirror/app-{number}" for number in range(6)]
    items.note({blob.digest: (name, OTHER) for blob, name in zip(image.blobs, names, strict=True)})
    with site.copier(sharing=sharing) as copier:
        copier.copy(image, "v1")
    assert site.destination.of("POST mount") == [OTHER] * 6


def test_below_the_least_size_nothing_is_shared(
    site: Site, store: CountingStore, items: SharedBlobItems, clock: FakeClock
) -> None:
    small, large = b"small", b"l" * 1000
    image = site.source.add_image(small, large)
    others_have(site, items, image, OTHER)
    store.calls.clear()
    with site.copier(sharing=Sharing(items, repository=OWN, token="mine", least_bytes=1000, clock=clock)) as copier:
        result = copier.copy(image, "v1")
    assert (result.blobs_there, result.blobs_copied) == (1, 2)
    assert store.calls == {"batch_get": 1}


def test_without_the_table_layers_are_uploaded_and_the_copy_succeeds(
    site: Site, store: CountingStore, items: SharedBlobItems, sharing: Sharing
) -> None:
    image = site.source.add_image(LARGE, *layers(2))
    others_have(site, items, image, OTHER)
    store.is_down = True
    with site.copier(sharing=sharing) as copier:
        copier.copy(image, "v1")
    sharing.tell()
    assert requests(site) == {"PUT manifest": 2, "POST upload": 4, "GET blob": 4, "PUT blob": 4}


@pytest.mark.parametrize("item", [{}, {"repositories": "x"}, {"repositories": ["../a", 7, "Upper"], "copied_by": 3}])
def test_an_item_that_cannot_be_read_is_no_hint(site: Site, store: CountingStore, sharing: Sharing, item: Item) -> None:
    image = site.source.add_image(LARGE)
    store.batch_put([{"repository": f"blob#{blob.digest}", "item": "blob", **item} for blob in image.blobs])
    with site.copier(sharing=sharing) as copier:
        copier.copy(image, "v1")
    assert requests(site)["PUT blob"] == 2


def test_where_a_registry_does_not_mount_from_itself_it_is_looked_at_first(
    items: SharedBlobItems, sharing: Sharing
) -> None:
    """Amazon ECR with its account setting: what is there is found by a look, and the rest is mounted if it can be."""
    site = Site(mounts=False)
    image = site.source.add_image(*layers(3))
    others_have(site, items, image, OTHER)
    site.destination.others[OTHER] = {image.blobs[0].digest, image.blobs[1].digest, image.blobs[3].digest}
    with site.copier(sharing=sharing) as copier:
        result = copier.copy(image, "v1")
    assert requests(site) == {"PUT manifest": 2, "HEAD blob": 4, "POST mount": 4, "GET blob": 1, "PUT blob": 1}
    assert (result.blobs_there, result.blobs_copied) == (3, 1)


# --------------------------------------------------------------------------------------------- two holders, one blob


def test_a_large_blob_that_another_holder_copies_is_waited_for_and_mounted(
    site: Site, items: SharedBlobItems, sharing: Sharing, clock: FakeClock
) -> None:
    image = site.source.add_image(LARGE)
    large = image.blobs[1].digest
    items.claim(large, "theirs")

    class Waiting(FakeClock):
        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds)
            if len(clock.slept) == 5:
                site.destination.others[OTHER] = {large}
                items.note({large: (OTHER,)})

    waiting = Sharing(items, repository=OWN, token="mine", clock=Waiting())
    with site.copier(sharing=waiting) as copier:
        result = copier.copy(image, "v1")
    assert clock.slept == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert large not in site.source.of("GET blob")
    assert site.destination.of("POST mount") == [OTHER]
    assert result.blobs_there == 1


def test_a_claim_that_ran_out_is_taken_over(
    site: Site, items: SharedBlobItems, sharing: Sharing, clock: FakeClock
) -> None:
    """Its holder was killed: the wait is as long as the claim was good."""
    image = site.source.add_image(LARGE)
    items.claim(image.blobs[1].digest, "theirs")
    with site.copier(sharing=sharing, clock=clock) as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    assert image.blobs[1].digest in site.destination.of("PUT blob")
    assert CLAIM_MS / 1000 <= sum(clock.slept) <= CLAIM_MS / 1000 + 2
    assert items.read([image.blobs[1].digest])[image.blobs[1].digest] == SharedBlob(repositories=(OWN,))


def test_nobody_waits_longer_than_the_invocation_lasts(
    site: Site, items: SharedBlobItems, sharing: Sharing, clock: FakeClock
) -> None:
    image = site.source.add_image(LARGE)
    items.claim(image.blobs[1].digest, "theirs")
    site.destination.deadline.set(-1)
    with site.copier(sharing=sharing) as copier, pytest.raises(OutOfTime):
        copier.copy(image, "v1")
    assert clock.slept == []


def test_a_claim_is_renewed_while_bytes_move_and_ends_with_a_failure(
    site: Site, items: SharedBlobItems, sharing: Sharing, clock: FakeClock
) -> None:
    image = site.source.add_image(LARGE)
    large = image.blobs[1].digest
    ends: list[int] = []

    def before_block(digest: str) -> None:
        if digest == large and len(ends) < 4:
            ends.append(items.read([large])[large].copied_until)
            clock.pass_(RENEWAL_S)
        elif digest == large:
            raise NotFound(site.source.name, "GET", status=404)

    site.source.before_block = before_block
    with site.copier(sharing=sharing) as copier, pytest.raises(NotFound):
        copier.copy(image, "v1")
    assert [end - ends[0] for end in ends] == [number * RENEWAL_S * 1000 for number in range(4)]
    assert items.read([large])[large] == SharedBlob()


def test_of_two_holders_at_once_one_copies_and_the_other_mounts(
    site: Site, items: SharedBlobItems, clock: FakeClock
) -> None:
    """Whoever reads the blob goes on only when somebody has waited for it."""
    image = site.source.add_image(LARGE)
    large = image.blobs[1].digest
    there = Site()
    there.source, there.mirror = site.source, "mirror/b"
    site.destination.others = {"mirror/b": there.destination.blobs}
    there.destination.others = {OWN: site.destination.blobs}
    waited = threading.Event()

    class Noting(FakeClock):
        def sleep(self, seconds: float) -> None:
            waited.set()
            time.sleep(0.001)

    def hold(digest: str) -> None:
        if digest == large:
            waited.wait(timeout=60)

    site.source.before_block = hold

    def copy(one: Site, name: str) -> None:
        with one.copier(sharing=Sharing(items, repository=name, token=name, clock=Noting())) as copier:
            copier.copy(image, "v1")

    with ThreadPoolExecutor(2) as holders:
        for done in [holders.submit(copy, site, OWN), holders.submit(copy, there, "mirror/b")]:
            done.result()
    assert site.source.of("GET blob").count(large) == 1
    assert site.is_whole(image)
    assert there.is_whole(image)
