"""The loop of a holder turns for events, and not while it waits."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Collection
from typing import Any

import pytest
from tests.support.patience import PATIENCE_S
from tests.unit.copying.fakes import FakeRegistry

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.missing import Removals
from geosync.oci.deadline import Deadline
from geosync.pair.capabilities import Capabilities
from geosync.pair.deletes import TagRemover
from geosync.pair.registries import Registries
from geosync.pair.selection import EVERYTHING
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.breaker import Breaker, Limits
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.backlog import Backlog
from geosync.syncing.context import Invocation
from geosync.syncing.ending import Ending
from geosync.syncing.holder import Holder
from geosync.syncing.reporting import Reporter

REPOSITORY = "team/app"
SLOTS = 4


class Nothing:
    """Takes whatever it is told."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


class Turns:
    """Counts the turns of a holder's loop: each begins with one `refill`. `too_many` is set beyond `most`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, most: int) -> None:
        self.count = 0
        self.too_many = threading.Event()
        refill = Backlog.refill

        def counted(backlog: Backlog, in_flight: Collection[Reference]) -> float | None:
            self.count += 1
            if self.count > most:
                self.too_many.set()
            return refill(backlog, in_flight)

        monkeypatch.setattr(Backlog, "refill", counted)


class Site:
    """A secondary with one repository, between two registries in memory."""

    def __init__(self, *, prefix: str = "", clock: Clock = SYSTEM_CLOCK, timing: Timing | None = None) -> None:
        self.prefix = prefix
        self.clock = clock
        self.timing = timing
        self.selection = EVERYTHING
        self.habits = Capabilities()
        self.removes_outside = False
        self.store = MemoryStore()
        self.follow("a primary")
        self.primary, self.secondary = FakeRegistry("primary:5000"), FakeRegistry("secondary:5000")

    def follow(self, primary: str) -> None:
        """Have the site follow a primary, with what its sync registry has of another one."""
        self.sync_registry = SyncRegistry(self.store, primary=primary, clock=self.clock, timing=self.timing)

    def hold(self) -> Ending:
        """Have a holder work off what is owed."""
        return self.holder().run()

    def holder(self) -> Holder:
        """Take the repository, for a holder that has not begun."""
        nothing: Any = Nothing()
        here: Any = self.primary
        there: Any = self.secondary
        lease = self.sync_registry.acquire(REPOSITORY)
        assert lease is not None
        invocation = Invocation(
            sync_registry=self.sync_registry,
            registries=Registries(
                primary=here,
                secondary=there,
                remover=TagRemover(),
                capabilities=lambda _: self.habits,
                prefix=self.prefix,
                selection=self.selection,
            ),
            removals=Removals(breaker=Breaker(self.store, Limits(), SYSTEM_CLOCK), outside=self.removes_outside),
            reporter=Reporter(logger=logging.getLogger("holder"), metrics=nothing, sqs=nothing, dlq_url=""),  # type: ignore[arg-type]
            deadline=Deadline(),
            reference_concurrency=SLOTS,
            clock=self.clock,
        )
        return Holder(invocation, lease)


def test_a_holder_whose_slots_are_all_busy_does_not_turn_until_one_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = [f"v{number}" for number in range(5 * SLOTS)]
    site = Site()
    for tag in tags:
        image = site.primary.add_image(tag.encode(), tag=tag)
        site.sync_registry.mark(REPOSITORY, Reference.tag(tag), Mark(expects=image.digest))
    turns = Turns(monkeypatch, most=2 * len(tags) + 2)  # for each: one that takes it, one that collects it
    began = threading.Barrier(SLOTS)

    def before(verb: str, what: str) -> None:
        if verb == "GET manifest" and what in tags[-SLOTS:]:  # the newest are taken first
            began.wait(PATIENCE_S)
            turns.too_many.wait(0.2)

    site.primary.before = before

    assert site.hold() is Ending.FINISHED
    assert set(site.secondary.tagged) == set(tags)
    assert not turns.too_many.is_set(), f"{turns.count} turns"


def test_a_holder_does_not_turn_while_the_whole_repository_waits_for_a_reference_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site()
    monkeypatch.setattr(site.primary, "lists_digests", False, raising=False)
    monkeypatch.setattr(site.primary, "tags_with_digests", lambda *_, **__: iter(()), raising=False)
    monkeypatch.setattr(site.secondary, "tags", lambda *_, **__: iter((["v1"],)), raising=False)
    image = site.primary.add_image(b"layer", tag="v1")
    site.sync_registry.mark(REPOSITORY, Reference.whole())
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=image.digest))
    turns = Turns(monkeypatch, most=9)  # it takes seven

    def before(verb: str, what: str) -> None:
        if (verb, what) == ("GET manifest", "v1"):
            turns.too_many.wait(0.2)

    site.primary.before = before

    assert site.hold() is Ending.FINISHED
    assert site.secondary.tagged == {"v1": image.digest}
    assert not turns.too_many.is_set(), f"{turns.count} turns"


def test_a_holder_that_ended_is_freed_without_the_garbage_collector() -> None:
    site = Site()
    image = site.primary.add_image(b"layer", tag="v1")
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=image.digest))
    holder = site.holder()
    alive = weakref.ref(holder)
    gc.disable()
    try:
        assert holder.run() is Ending.FINISHED
        del holder
        assert alive() is None, "it is kept until the garbage collector comes"
    finally:
        gc.enable()


def test_a_holder_at_which_somebody_knocks_does_not_turn_until_its_next_renewal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site()
    image = site.primary.add_image(b"layer", tag="v1")
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=image.digest))
    turns = Turns(monkeypatch, most=8)

    def knock(verb: str, what: str) -> None:
        if verb == "GET manifest":
            assert site.sync_registry.tell(REPOSITORY), "somebody holds it"

    site.primary.before = knock
    assert site.hold() is Ending.FINISHED
    assert not turns.too_many.is_set(), turns.count
