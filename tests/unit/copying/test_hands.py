"""A holder shares an image's copy with helpers: each blob moves once, and is seen before the manifest is put."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from tests.support.clock import FakeClock
from tests.unit.copying.asked import (
    HANDS,
    HELPERS,
    LARGE,
    OWN,
    SMALL,
    Asked,
    helper,
    large,
    large_layers,
    moved_once,
    requests,
)
from tests.unit.copying.fakes import digest_of
from tests.unit.copying.sites import Site
from tests.unit.copying.tables import CountingStore

from geosync.copying.blobs import BlobMover
from geosync.copying.hands import Hands
from geosync.copying.helping import Helped
from geosync.copying.route import Route
from geosync.copying.sharing import CopiedElsewhere, Sharing
from geosync.copying.turns import PATIENCE_S
from geosync.copying.uploads import Uploads
from geosync.errors import LeaseLost
from geosync.messages.work import Help, WorkMessage
from geosync.oci.manifests import Descriptor, Manifest
from geosync.sync_registry.shared_blobs import SharedBlob, SharedBlobItems


class Enough(Exception):
    """Ends a test once the requests for help are known."""


def stop(_: Sequence[Help]) -> None:
    raise Enough


# ----------------------------------------------------------------------------------------------------- what is asked


def test_an_image_below_the_size_asks_no_helper_and_costs_no_extra_request(
    site: Site, store: CountingStore, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    asked = Asked()
    bytes_missing = sum(blob.size for blob in image.blobs)
    with site.copier(sharing=sharing, helpers=asked.helpers(bytes_missing), clock=clock) as copier:
        copier.copy(image, "v1")
    assert asked.helps == []
    assert requests(site) == {"PUT manifest": 2, "POST upload": 11, "GET blob": 11, "PUT blob": 11}
    assert store.calls == {"batch_get": 1}
    assert clock.slept == []


def test_each_helper_begins_with_other_blobs_and_all_are_named_to_all(
    site: Site, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    asked = Asked(is_heard=False)
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    assert len(asked.helps) == HELPERS
    digests = [[blob.digest for blob in one.blobs] for one in asked.helps]
    assert [sorted(one) for one in digests] == [sorted(large(image))] * HELPERS
    firsts = [digest for one in digests for digest in one[:2]]
    assert len(set(firsts)) == 2 * HELPERS, "those of its own share first"
    assert {one.at_once for one in asked.helps} == {LARGE // HANDS}
    assert {one.holder for one in asked.helps} == {"the-holder"}
    assert moved_once(site, [*large(image), digest_of(SMALL)]), "nobody heard it, so the holder brought all"


def test_there_are_fewer_helpers_than_blobs_and_none_for_a_single_layer(
    site: Site, sharing: Sharing, clock: FakeClock
) -> None:
    asked = Asked(is_heard=False)
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(site.source.add_image(bytes(5000), config=SMALL), "one")
        assert asked.helps == []
        copier.copy(site.source.add_image(b"a" * 2000, b"b" * 2000, config=SMALL), "two")
    assert len(asked.helps) == 1


def test_a_blob_of_another_repository_is_mounted_and_no_helper_is_asked_for_it(
    site: Site, items: SharedBlobItems, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    asked = Asked(is_heard=False)
    there = large(image)[:7]
    site.destination.others["mirror/base"] = set(there)
    items.note(dict.fromkeys(there, ("mirror/base",)))
    with site.copier(sharing=sharing, helpers=asked.helpers(500), clock=clock) as copier:
        copier.copy(image, "v1")
    assert {blob.digest for one in asked.helps for blob in one.blobs} == set(large(image)[7:])


def test_no_helper_is_asked_for_a_layer_that_s3_copies(site: Site, sharing: Sharing, image: Manifest) -> None:
    s3: Any = object()
    asked = Asked(is_heard=False)
    for copier, count in ((None, HELPERS), (s3, 0)):
        asked.helps.clear()
        route = Route(pair=site.pair, sharing=sharing, helpers=asked.helpers(), s3=copier)
        Hands(route, BlobMover(route)).look_for(image.blobs, may_be_there=False)
        assert len(asked.helps) == count


def test_a_lease_that_is_lost_while_layers_under_way_are_read_leaves_all_to_the_holder(
    site: Site, sharing: Sharing
) -> None:
    def lost() -> NoReturn:
        raise LeaseLost

    asked = Asked()
    route = Route(pair=site.pair, sharing=sharing, helpers=asked.helpers(), uploads=Uploads(lost))
    layers = [Descriptor(media_type="", digest=digest_of(bytes([one])), size=1024**3) for one in range(3)]
    Hands(route, BlobMover(route)).look_for(layers, may_be_there=False)
    assert asked.helps == []


def test_a_blob_of_two_images_gives_its_turn_back_to_the_first(sharing: Sharing, image: Manifest) -> None:
    first, second, third = image.blobs[1:4]
    sharing.hand_out((first, second), at_once=1)
    assert sharing.claim(first)
    sharing.hand_out((first, third), at_once=1)
    sharing.note_there(first, mounted=False)
    assert sharing.claim(second)


@pytest.mark.parametrize("reason", ["does not fit", "did not fit", "size of a liar"])
def test_a_layer_that_does_not_fit_into_an_invocation_stays_with_the_holder(
    site: Site, items: SharedBlobItems, sharing: Sharing, clock: FakeClock, reason: str
) -> None:
    image = site.source.add_image(*large_layers(), config=SMALL)
    alone = image.blobs[1]
    if reason == "did not fit":
        items.claim(alone.digest, "earlier")
        items.give_up(alone.digest, "earlier", unfinished=True)
    else:
        size = 2**62 if reason == "size of a liar" else 64 * 1024**3
        site.source.deadline.set(900)
        site.destination.deadline.set(900)
        document = json.loads(image.content)
        document["layers"][0]["size"] = size
        image = site.source.add(document)
    asked = Asked(stop)
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier, pytest.raises(Enough):
        copier.copy(image, "v1")
    assert {blob.digest for one in asked.helps for blob in one.blobs} == set(large(image)) - {alone.digest}


def test_a_layer_that_had_most_of_an_invocation_is_noted_until_it_is_there(items: SharedBlobItems) -> None:
    digest = digest_of(b"layer")
    items.claim(digest, "a")
    items.give_up(digest, "b", unfinished=True)
    assert not items.read([digest])[digest].unfinished, "the claim is another one's"
    items.give_up(digest, "a", unfinished=True)
    items.claim(digest, "b")
    assert items.read([digest])[digest].unfinished
    items.note({digest: (OWN,)})
    assert items.read([digest])[digest] == SharedBlob(repositories=(OWN,))


# ------------------------------------------------------------------------------------------------------- who brings


@pytest.mark.parametrize("mounts", [True, False])
def test_a_blob_that_a_helper_brought_costs_the_holder_one_look(
    store: CountingStore, items: SharedBlobItems, sharing: Sharing, clock: FakeClock, mounts: bool
) -> None:
    site = Site(mounts=mounts)
    image = site.source.add_image(*large_layers(), config=SMALL)
    asked = Asked()
    outcomes: list[Helped] = []
    asked.then = lambda helps: outcomes.append(helper(site, helps[0], items).help())
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        result = copier.copy(image, "v1")
    assert site.is_whole(image)
    assert moved_once(site, [*large(image), digest_of(SMALL)])
    (outcome,) = outcomes
    assert (outcome.blobs, outcome.reason) == (LARGE, None)
    assert (result.blobs_copied, result.blobs_there) == (1, LARGE)
    assert result.bytes_copied + outcome.copied_bytes == sum(blob.size for blob in image.blobs)
    seen = [what for verb, what in site.destination.requests if verb == "HEAD blob"]
    first_look = 0 if mounts else 1
    assert Counter(seen) == {
        **dict.fromkeys(large(image), first_look + 1),
        **({} if mounts else {digest_of(SMALL): 1}),
    }
    last_put = max(position for position, one in enumerate(site.destination.requests) if one[0] == "PUT manifest")
    assert all(("HEAD blob", digest) in site.destination.requests[:last_put] for digest in large(image))
    # Of the table: both read once, the helper twice for each blob and the holder once; a claim and a note for each.
    assert store.calls == {"batch_get": 2 + 3 * LARGE, "batch_put": LARGE, "write": LARGE}


class Still(FakeClock):
    """Time does not pass, so that no claim ends while its thread is kept waiting by the machine."""

    def sleep(self, seconds: float) -> None:
        threading.Event().wait(0.001)


def test_holder_and_helpers_at_once_move_each_blob_once(site: Site, store: CountingStore, image: Manifest) -> None:
    clock = Still()
    items = SharedBlobItems(store, clock)
    sharing = Sharing(items, repository=OWN, token="mine", clock=clock)
    with ThreadPoolExecutor(HELPERS) as pool:
        futures: list[Future[Helped]] = []

        def begin(helps: Sequence[Help]) -> None:
            futures.extend(pool.submit(helper(site, one, items).help) for one in helps)

        with site.copier(sharing=sharing, helpers=Asked(begin).helpers(), clock=clock) as copier:
            copier.copy(image, "v1")
        outcomes = [future.result() for future in futures]
    assert site.is_whole(image)
    assert moved_once(site, [*large(image), digest_of(SMALL)])
    assert all(outcome.reason is None for outcome in outcomes)


def test_while_helpers_are_awaited_the_holder_copies_its_share_at_a_time_and_then_all(
    site: Site, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    """Nobody comes. The first two wait here until a third one is begun, so that nothing ends before."""
    lock, begun, may_end = threading.Lock(), dict[str, float](), threading.Event()

    def before_block(digest: str) -> None:
        if digest not in large(image):
            return
        with lock:
            begun.setdefault(digest, clock.monotonic_s())
            if len(begun) > LARGE // HANDS:
                may_end.set()
        may_end.wait(timeout=60)

    site.source.before_block = before_block
    with site.copier(sharing=sharing, helpers=Asked().helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    times_s = sorted(begun.values())
    assert min(times_s[LARGE // HANDS :]) >= PATIENCE_S


def test_whether_helpers_came_is_looked_at_again_after_a_look_that_failed(
    store: CountingStore, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    first, second, third = image.blobs[1:4]
    sharing.hand_out((first, second, third), at_once=1)
    assert sharing.claim(first)
    clock.pass_(PATIENCE_S)
    store.is_down = True
    with pytest.raises(CopiedElsewhere):
        sharing.claim(second)
    store.is_down = False
    clock.pass_(PATIENCE_S)
    assert sharing.claim(second)
    assert sharing.claim(third)


def test_while_helpers_are_awaited_a_former_name_s_repository_is_asked_for_each_blob_once(
    site: Site, items: SharedBlobItems, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    site.former = "mirror/former"

    def claim_and_die(_: Sequence[Help]) -> None:
        for digest in large(image):
            items.claim(digest, "dies")

    with site.copier(sharing=sharing, helpers=Asked(claim_and_die).helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    assert moved_once(site, [*large(image), digest_of(SMALL)])
    assert len(clock.slept) > 2 * LARGE, "each was asked for again and again"
    assert requests(site)["POST mount"] == LARGE + 1
    assert requests(site)["POST upload"] == 0, "what a mount became is the upload, also after a wait"


def test_for_a_blob_asked_of_helpers_every_repository_that_may_have_it_is_tried(
    site: Site, items: SharedBlobItems, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    site.destination.others["mirror/right"] = set(large(image))
    asked = Asked(lambda _: items.note(dict.fromkeys(large(image), ("mirror/wrong", "mirror/right"))))
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    assert moved_once(site, [digest_of(SMALL)])
    assert requests(site)["POST mount"] == 2 * LARGE


def test_a_helpers_false_report_is_not_believed(
    site: Site, items: SharedBlobItems, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    asked = Asked(lambda _: items.note(dict.fromkeys(large(image), (OWN,))))
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    assert moved_once(site, [*large(image), digest_of(SMALL)])


def test_two_images_that_share_blobs_with_helpers_each_move_them_once(
    site: Site, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else who finds most of the image there already hands nothing out, and copies the rest without a claim.
    monkeypatch.setattr("geosync.copying.sharing.CLAIMED_FROM", len(SMALL) + 1)
    clock = Still()
    items = SharedBlobItems(store, clock)
    there = Site()
    there.source, there.mirror = site.source, "mirror/b"
    site.destination.others = {there.mirror: there.destination.blobs}
    there.destination.others = {OWN: site.destination.blobs}
    image = site.source.add_image(*large_layers(), config=SMALL)
    with ThreadPoolExecutor(2 * HELPERS) as pool, ThreadPoolExecutor(2) as holders:

        def begins(one: Site) -> Callable[[Sequence[Help]], None]:
            def begin(helps: Sequence[Help]) -> None:
                for asked in helps:
                    pool.submit(helper(one, asked, items).help)

            return begin

        def copies(one: Site, name: str) -> None:
            own = Sharing(items, repository=one.mirror, token=name, clock=clock)
            with one.copier(sharing=own, helpers=Asked(begins(one)).helpers(), clock=clock) as copier:
                copier.copy(image, "v1")

        for ended in [holders.submit(copies, site, "a"), holders.submit(copies, there, "b")]:
            ended.result()
    assert site.is_whole(image)
    assert there.is_whole(image) or set(large(image)) <= there.destination.blobs.keys()
    assert Counter(digest for digest in site.source.of("GET blob") if digest in large(image)) == Counter(large(image))


# ------------------------------------------------------------------------------------------------------ the message


def test_a_message_holds_as_many_blobs_as_are_asked_for_and_fits_into_a_batch(
    site: Site, sharing: Sharing, clock: FakeClock
) -> None:
    asked = Asked(is_heard=False)
    image = site.source.add_image(*[f"{number:4}".encode() * 100 for number in range(300)], config=SMALL)
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    sizes = [len(WorkMessage(repository=OWN, reason="sweep", help=one).to_json()) for one in asked.helps]
    assert {len(one.blobs) for one in asked.helps} == {200}
    assert sum(sizes) < 262_144
