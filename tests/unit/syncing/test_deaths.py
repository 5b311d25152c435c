"""Holders that vanish: who takes over counts an attempt for what they were working on, and goes on with the rest."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.unit.copying.fakes import FakeRegistry

from geosync.comparing.missing import Removals
from geosync.errors import RegistryUnavailable
from geosync.oci.deadline import Deadline
from geosync.pair.capabilities import Capabilities
from geosync.pair.deletes import TagRemover
from geosync.pair.registries import Registries
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Lease, Owed, Reference, Row
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.backlog import Backlog
from geosync.syncing.context import Invocation
from geosync.syncing.ending import Ending, Halt
from geosync.syncing.holder import Holder
from geosync.syncing.reporting import Reporter
from geosync.syncing.settle import Settler

REPOSITORY = "team/app"
POISON = Reference.tag("poison")


class Reports:
    """Keeps what is reported: metrics by name, and the DLQ's messages."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.letters: list[dict[str, Any]] = []

    def put(self, values: dict[str, float], unit: str = "Count") -> None:
        for name, value in values.items():
            self.counts[name] = self.counts.get(name, 0) + value

    def send_message(self, **request: Any) -> None:
        self.letters.append(json.loads(request["MessageBody"]))


class Site:
    """A secondary in memory, with a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sync_registry = SyncRegistry(MemoryStore(), clock=self.clock)
        self.primary, self.secondary = FakeRegistry("primary:5000"), FakeRegistry("secondary:5000")
        self.reports = Reports()

    def push(self, *tags: str) -> None:
        for tag in tags:
            image = self.primary.add_image(tag.encode(), tag=tag)
            self.sync_registry.mark(REPOSITORY, Reference.tag(tag), Mark(expects=image.digest))

    def acquire(self) -> Lease:
        lease = self.sync_registry.acquire(REPOSITORY)
        assert lease is not None
        return lease

    def vanish(self, *references: Reference) -> None:
        """Have a holder take the repository, name what it works on, and vanish."""
        lease = self.acquire()
        HeldLease(self.sync_registry, lease).work_on(frozenset(one.seen_key for one in references), at_once=True)
        self.clock.pass_(self.sync_registry.timing.lease_s + self.sync_registry.timing.suspect_s + 1)

    def hold(self) -> Ending:
        return Holder(self.invocation(), self.acquire()).run()

    def invocation(self) -> Invocation:
        here: Any = self.primary
        there: Any = self.secondary
        reports: Any = self.reports
        return Invocation(
            sync_registry=self.sync_registry,
            registries=Registries(
                primary=here, secondary=there, remover=TagRemover(), capabilities=lambda _: Capabilities()
            ),
            removals=Removals(breaker=self.sync_registry.breaker),
            reporter=Reporter(logger=logging.getLogger("holder"), metrics=reports, sqs=reports, dlq_url="dlq"),  # type: ignore[arg-type]
            deadline=Deadline(),
            clock=self.clock,
        )

    def owed(self, reference: Reference) -> Owed | None:
        return self.sync_registry.look(REPOSITORY, reference).owed

    @property
    def row(self) -> Row:
        row = self.sync_registry.row(REPOSITORY)
        assert row is not None
        return row


@pytest.fixture
def site() -> Site:
    return Site()


def poisonous(site: Site) -> None:
    """Let the function end, without a word, whenever it asks for the poisonous tag."""

    def before(verb: str, what: str) -> None:
        if (verb, what) == ("GET manifest", "poison"):
            raise SystemExit

    site.primary.before = before


def test_the_next_holder_counts_an_attempt_for_each_reference_of_a_vanished_one(site: Site) -> None:
    site.push("good", "poison")
    site.vanish(POISON)
    assert site.row.working_on == {"tag#poison"}
    seen: list[tuple[str, Owed | None]] = []

    def before(verb: str, what: str) -> None:
        if verb == "GET manifest":
            seen.append((what, site.owed(POISON)))

    site.primary.before = before
    assert site.hold() is Ending.FINISHED
    assert [what for what, _ in seen] == ["good", "poison"], "what never failed goes first"
    owed = seen[0][1]
    assert owed is not None
    assert (owed.attempts, owed.deaths, owed.parked) == (1, 1, False)
    assert owed.failure is not None
    assert owed.failure.startswith("the function ended without a word while it worked on this")
    assert site.reports.counts["HoldersVanished"] == 1
    assert set(site.secondary.tagged) == {"good", "poison"}, "and it is tried again at once"


def test_a_reference_over_which_holders_vanish_again_and_again_is_parked_and_the_others_go_on(site: Site) -> None:
    site.push("good", "poison")
    poisonous(site)
    died = 0
    while died < 20:
        try:
            assert site.hold() is Ending.FINISHED
            break
        except SystemExit:
            died += 1
            site.clock.pass_(site.sync_registry.timing.lease_s + site.sync_registry.timing.suspect_s + 1)
    most = site.sync_registry.timing.max_deaths
    assert died == most + 1, "the first one died before it was named"
    owed = site.owed(POISON)
    assert owed is not None
    assert (owed.parked, owed.deaths, owed.due) == (True, most, None)
    (letter,) = site.reports.letters
    assert (letter["repository"], letter["references"]) == (REPOSITORY, ["tag#poison"])
    assert set(site.secondary.tagged) == {"good"}
    assert site.row.state == "3"
    assert "the function ended without a word" in (site.row.last_sync_failure or "")


def test_a_new_push_of_the_reference_starts_afresh(site: Site) -> None:
    site.push("poison")
    site.vanish(POISON)
    lease = site.acquire()
    assert site.sync_registry.count_deaths(lease, site.sync_registry.left_behind(lease), "vanished")
    site.push("poison")
    owed = site.owed(POISON)
    assert owed is not None
    assert (owed.attempts, owed.deaths, owed.failure) == (0, 0, None)


def test_a_reference_marked_again_since_it_was_read_counts_no_death(site: Site) -> None:
    site.push("poison", "other")
    site.vanish(POISON, Reference.tag("other"))
    lease = site.acquire()
    left = site.sync_registry.left_behind(lease)
    assert {owed.reference for owed in left} == {POISON, Reference.tag("other")}
    site.push("poison")
    counted = site.sync_registry.count_deaths(lease, left, "vanished")
    assert [owed.reference.value for owed in counted] == ["other"]
    assert site.row.working_on == frozenset(), "nobody counts it a second time"


def test_after_a_death_references_go_one_by_one_and_each_is_named_before_its_first_request(site: Site) -> None:
    site.push(*(f"v{number}" for number in range(5)))
    site.vanish()
    named: dict[str, frozenset[str]] = {}

    def before(verb: str, what: str) -> None:
        if verb == "GET manifest":
            named[what] = site.row.working_on

    site.primary.before = before
    assert site.hold() is Ending.FINISHED
    assert named == {f"v{number}": frozenset({f"tag#v{number}"}) for number in range(5)}


def test_a_reference_with_a_death_runs_alone_and_is_named_under_later_holders_too(site: Site) -> None:
    site.push("poison", "slow")
    site.vanish(POISON, Reference.tag("slow"))
    held = HeldLease(site.sync_registry, site.acquire())
    assert len(held.count_deaths(site.sync_registry.left_behind(held.lease), "vanished")) == 2
    held.release()
    assert site.row.deaths == 0
    site.clock.pass_(120)
    site.push("v1", "v2", "v3")
    named: dict[str, frozenset[str]] = {}

    def before(verb: str, what: str) -> None:
        if verb == "GET manifest":
            named[what] = site.row.working_on

    site.primary.before = before
    assert site.hold() is Ending.FINISHED
    assert {tag: named[tag] for tag in ("poison", "slow")} == {tag: {f"tag#{tag}"} for tag in ("poison", "slow")}
    assert not site.sync_registry.owed(REPOSITORY)


def test_a_reference_parked_just_before_its_holder_vanished_stays_parked(site: Site) -> None:
    site.push("poison")
    site.vanish(POISON)
    owed = site.owed(POISON)
    assert owed is not None
    site.sync_registry.fail(owed, "refused", parked=True)
    assert site.hold() is Ending.FINISHED
    parked = site.owed(POISON)
    assert parked is not None
    assert (parked.failure, parked.parked, parked.deaths) == ("refused", True, 0)
    site.clock.pass_(3600)
    assert not site.sync_registry.due(REPOSITORY), "nobody tries it again"


def test_a_take_over_clears_the_names_of_discharged_references(site: Site) -> None:
    site.vanish(POISON)
    invocation, held = site.invocation(), HeldLease(site.sync_registry, site.acquire())
    backlog, halt = Backlog(site.sync_registry, REPOSITORY, site.clock), Halt(invocation.deadline, invocation.threads)
    Settler(invocation, backlog, halt).settle_deaths(held)
    assert site.row.working_on == frozenset()
    site.push("poison")
    site.clock.pass_(site.sync_registry.timing.lease_s + 1)
    assert not site.sync_registry.left_behind(site.acquire()), "nobody worked on the new push"


def test_without_a_death_nothing_more_is_written_than_before(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.push("v1", "v2", "v3")

    def renew(*_: Any) -> Lease:
        raise AssertionError("nobody renews within the first seconds")

    monkeypatch.setattr(site.sync_registry, "renew", renew)
    assert site.hold() is Ending.FINISHED


def test_a_death_counts_too_where_no_attempt_can_be_begun(site: Site) -> None:
    site.push("poison")
    site.vanish(POISON)
    invocation = site.invocation()

    def asked(_: object) -> Capabilities:
        raise RegistryUnavailable("secondary:5000", "POST /v2/", status=429)

    registries = replace(invocation.registries, capabilities=asked)
    assert Holder(replace(invocation, registries=registries), site.acquire()).run() is Ending.HELD
    assert site.reports.counts["HoldersVanished"] == 1
    owed = site.owed(POISON)
    assert owed is not None
    assert (owed.attempts, owed.deaths) == (1, 1)


@pytest.mark.parametrize("ending", ["finish", "release"])
def test_a_holder_that_lets_go_leaves_no_trace_of_deaths(site: Site, ending: str) -> None:
    site.vanish(POISON)
    lease = site.acquire()
    assert (lease.deaths, lease.working_on) == (1, frozenset({"tag#poison"}))
    held = HeldLease(site.sync_registry, lease)
    if ending == "finish":
        assert held.finish()
    else:
        held.release()
    assert (site.row.deaths, site.row.working_on) == (0, frozenset())


def test_a_renewal_records_which_references_are_worked_on(site: Site) -> None:
    held = HeldLease(site.sync_registry, site.acquire())
    held.work_on(frozenset({"tag#v1"}), at_once=False)
    assert site.row.working_on == frozenset()
    held.renew()
    assert site.row.working_on == {"tag#v1"}
    held.work_on(frozenset(), at_once=False)
    held.renew()
    assert site.row.working_on == frozenset()
