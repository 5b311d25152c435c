"""Helpers that are killed, that meet an error, or that come when the copy is over: the holder brings the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from tests.support.clock import FakeClock
from tests.unit.copying.asked import OWN, SMALL, Asked, helper, requests
from tests.unit.copying.fakes import digest_of
from tests.unit.copying.sites import Site
from tests.unit.copying.tables import CountingStore

from geosync.copying.helping import Helped
from geosync.copying.sharing import Sharing
from geosync.errors import LayerUnfinished
from geosync.messages.work import Help
from geosync.oci.manifests import Descriptor, Manifest
from geosync.sync_registry.shared_blobs import CLAIM_MS, SharedBlobItems


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


def test_blobs_that_a_helper_brought_before_the_table_failed_are_reported(
    site: Site, items: SharedBlobItems, image: Manifest
) -> None:
    mounted = [blob.digest for blob in image.blobs[1:3]]
    site.destination.others["mirror/base"] = set(mounted)
    items.note(dict.fromkeys(mounted, ("mirror/base",)))
    asks: list[bool] = []

    def is_wanted() -> bool:
        asks.append(True)
        if len(asks) > 3:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "GetItem")
        return True

    asked = Help(holder="h", blobs=image.blobs[1:], at_once=1)
    one = helper(site, asked, items, is_wanted=is_wanted)
    with pytest.raises(ClientError):
        one.help()
    assert one.helped.blobs == 1
    assert {hint.repositories for hint in items.read(mounted).values()} == {(OWN, "mirror/base")}
