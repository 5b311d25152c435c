"""A holder shares an image's copy with helpers: each blob moves once, and is seen before the manifest is put."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.unit.copying.fakes import digest_of
from tests.unit.copying.sites import Site, layers
from tests.unit.copying.tables import CountingStore

from geosync.copying.blobs import BlobMover
from geosync.copying.hands import Hands
from geosync.copying.helping import Helped, Helper
from geosync.copying.route import Helpers, Route
from geosync.copying.sharing import Sharing
from geosync.copying.turns import PATIENCE_S
from geosync.errors import LayerUnfinished
from geosync.messages.work import Help, WorkMessage
from geosync.oci.manifests import Descriptor, Manifest
from geosync.sync_registry.shared_blobs import CLAIM_MS, SharedBlob, SharedBlobItems

OWN = "mirror/app"
LARGE, SMALL = 10, b"{}"
"""Layers of an image of 11 blobs, and its config, which is too small for help."""
HELPERS, HANDS = 3, 4
_numbers = itertools.count()


@dataclass
class Asked:
    """Notes what a holder asks; `then` does what the helpers do before the holder goes on."""

    then: Callable[[Sequence[Help]], None] = lambda _: None
    is_heard: bool = True
    helps: list[Help] = field(default_factory=list)

    def __call__(self, helps: Sequence[Help]) -> bool:
        self.helps += helps
        self.then(helps)
        return self.is_heard

    def helpers(self, least_bytes: int = 1000) -> Helpers:
        return Helpers(least_bytes=least_bytes, holder="the-holder", ask=self)


class Enough(Exception):
    """What was asked is all that a test is about."""


def stop(_: Sequence[Help]) -> None:
    raise Enough


@pytest.fixture
def sharing(items: SharedBlobItems, clock: FakeClock) -> Sharing:
    return Sharing(items, repository=OWN, token="mine", clock=clock)


@pytest.fixture
def image(site: Site) -> Manifest:
    """Ten layers of 360 to 400 bytes; 3,600 in all."""
    return site.source.add_image(*large_layers(), config=SMALL)


def large_layers(start: int = 0) -> list[bytes]:
    return [one + bytes(number) for number, one in enumerate(layers(LARGE, start))]


def helper(site: Site, asked: Help, items: SharedBlobItems, *, is_wanted: Callable[[], bool] = lambda: True) -> Helper:
    sharing = Sharing(items, repository=site.mirror, token=f"helper {next(_numbers)}", clock=items._clock)
    route = Route(pair=site.pair, capabilities=site.habits, sharing=sharing, clock=items._clock)
    return Helper(route, asked, is_wanted=is_wanted)


def large(image: Manifest) -> list[str]:
    return [blob.digest for blob in image.blobs if blob.size > len(SMALL)]


def moved_once(site: Site, digests: Sequence[str]) -> bool:
    return Counter(site.destination.of("PUT blob")) == Counter(site.source.of("GET blob")) == Counter(digests)


def requests(site: Site) -> Counter[str]:
    return Counter(verb for verb, _ in (*site.source.requests, *site.destination.requests))


# ----------------------------------------------------------------------------------------------------- what is asked


def test_below_the_size_nobody_is_asked_and_nothing_costs_more(
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


def test_helpers_are_fewer_than_blobs_and_one_layer_is_nobody_else_s(
    site: Site, sharing: Sharing, clock: FakeClock
) -> None:
    asked = Asked(is_heard=False)
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(site.source.add_image(bytes(5000), config=SMALL), "one")
        assert asked.helps == []
        copier.copy(site.source.add_image(b"a" * 2000, b"b" * 2000, config=SMALL), "two")
    assert len(asked.helps) == 1


def test_what_a_repository_here_has_is_mounted_and_not_asked_for(
    site: Site, items: SharedBlobItems, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    asked = Asked(is_heard=False)
    there = large(image)[:7]
    site.destination.others["mirror/base"] = set(there)
    items.note(dict.fromkeys(there, ("mirror/base",)))
    with site.copier(sharing=sharing, helpers=asked.helpers(500), clock=clock) as copier:
        copier.copy(image, "v1")
    assert {blob.digest for one in asked.helps for blob in one.blobs} == set(large(image)[7:])


def test_what_s3_copies_is_not_asked_for(site: Site, sharing: Sharing, image: Manifest) -> None:
    s3: Any = object()
    asked = Asked(is_heard=False)
    for copier, count in ((None, HELPERS), (s3, 0)):
        asked.helps.clear()
        route = Route(pair=site.pair, sharing=sharing, helpers=asked.helpers(), s3=copier)
        Hands(route, BlobMover(route)).look_for(image.blobs, may_be_there=False)
        assert len(asked.helps) == count


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
def test_what_helpers_brought_is_looked_for_by_the_holder_and_costs_one_request_more(
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
    assert max(times_s[: LARGE // HANDS]) < PATIENCE_S <= min(times_s[LARGE // HANDS :])


def test_a_helper_that_says_more_than_is_so_is_not_believed(
    site: Site, items: SharedBlobItems, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    asked = Asked(lambda _: items.note(dict.fromkeys(large(image), (OWN,))))
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    assert moved_once(site, [*large(image), digest_of(SMALL)])


def test_two_images_that_share_blobs_with_helpers_each_move_them_once(site: Site, store: CountingStore) -> None:
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


# ----------------------------------------------------------------------------------------------- helpers that go wrong


class Killed(BaseException):
    """The helper's function is killed: it does nothing more."""


class Mortal:
    """A helper's view of a site and its table, which ends at a call of either."""

    def __init__(self, site: Site, store: CountingStore, clock: FakeClock, *, at: int) -> None:
        self._left = at
        self.site = Site()
        self.site.source, self.site.destination = copy(site.source), copy(site.destination)
        self.site.source.before = self.site.destination.before = lambda *_: self.call()
        self.calls = 0
        view = MortalStore(self)
        view.table, view._lock = store.table, store._lock
        self.items = SharedBlobItems(view, clock)

    def call(self) -> None:
        self.calls += 1
        if self.calls > self._left:
            raise Killed

    def help(self, asked: Help) -> None:
        with suppress(Killed):
            helper(self.site, replace(asked, at_once=1), self.items).help()


class MortalStore(CountingStore):
    def __init__(self, life: Mortal) -> None:
        super().__init__()
        self._life = life

    def _count(self, call: str) -> None:
        self._life.call()


def test_a_helper_killed_at_any_call_costs_a_wait_and_never_a_blob() -> None:
    at, ended_by_itself = 0, False
    while not ended_by_itself:
        site, store, clock = Site(), CountingStore(), FakeClock()
        image = site.source.add_image(*[bytes([number]) * 500 for number in range(3)], config=SMALL)
        mortal = Mortal(site, store, clock, at=at)
        items = SharedBlobItems(store, clock)
        sharing = Sharing(items, repository=OWN, token="mine", clock=clock)
        asked = Asked(lambda helps, mortal=mortal: mortal.help(helps[0]))  # type: ignore[misc]
        with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
            copier.copy(image, "v1")
        assert site.is_whole(image), at
        assert max(Counter(site.destination.of("PUT blob")).values()) <= 2, "one more where its PUT was not noted"
        ended_by_itself = mortal.calls <= at
        at += 1
    assert at > 15, "each of its calls was its last once"


def test_a_copy_that_is_over_needs_no_help(site: Site, items: SharedBlobItems, image: Manifest) -> None:
    asked = Help(holder="gone", blobs=image.blobs, at_once=2)
    asks: list[bool] = []

    def is_wanted() -> bool:
        asks.append(True)
        return len(asks) <= 3

    outcome = helper(site, asked, items, is_wanted=is_wanted).help()
    assert outcome.blobs == 3, "what was begun is ended"
    assert len(asks) == 4, "asked before each, and not again"


def test_a_helper_that_meets_an_error_leaves_the_rest_to_the_holder(
    site: Site, items: SharedBlobItems, sharing: Sharing, image: Manifest, clock: FakeClock
) -> None:
    outcomes: list[Helped] = []

    def then(helps: Sequence[Help]) -> None:
        site.source.before_block = lambda _: (_ for _ in ()).throw(LayerUnfinished("too long"))
        outcomes.append(helper(site, replace(helps[0], at_once=1), items).help())
        site.source.before_block = lambda _: None

    asked = Asked(then)
    with site.copier(sharing=sharing, helpers=asked.helpers(), clock=clock) as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    (outcome,) = outcomes
    assert (outcome.blobs, outcome.reason) == (0, "too long")
    assert clock.slept == [] or sum(clock.slept) < CLAIM_MS / 1000, "its claim was given up"


def test_a_helper_begins_nothing_that_does_not_fit_into_the_time_left(site: Site, items: SharedBlobItems) -> None:
    site.destination.deadline.set(10)
    huge = Descriptor(media_type="", digest=digest_of(b"huge"), size=64 * 1024**3)
    assert helper(site, Help(holder="h", blobs=(huge,), at_once=1), items).help() == Helped()
    assert requests(site) == {}


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
