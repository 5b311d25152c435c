"""Messages of the DLQ and what is owed: one for each parked reference, and none that hides what could not be marked."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock
from tests.support.letters import LetterBox, gave_up, letter

from geosync.messages.work import CatalogueMessage, VerifyMessage, WorkMessage
from geosync.minute.letters import LOOK_AGAIN_MS, UNNAMED_FOR_MS, LetterMatcher
from geosync.minute.queues import Queues
from geosync.operating import dead_letters
from geosync.operating.failed_events import UNPUBLISHED
from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.site.letters import LettersLook
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore

NOW = 10**12
APP, V1 = "team/app", Reference.tag("v1")


class SiteOfLetters:
    """A site's table, and its DLQ."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock(NOW)
        self.sync_registry = SyncRegistry(self.store, clock=self.clock)
        self.box = LetterBox()
        self.number = 0

    def park(self, reference: Reference = V1, repository: str = APP) -> Owed:
        """Park a reference that is marked, as a holder does: the letter first."""
        owed = self.sync_registry.mark(repository, reference)
        self.send(owed)
        self.sync_registry.fail(owed, "refused", parked=True)
        return owed

    def send(self, owed: Owed, *, marked: bool = True) -> None:
        body = WorkMessage(repository=owed.repository, reason="replay", references=(owed.reference,)).to_json()
        self.put(body, kind="parked", mark=owed.mark if marked else None)

    def put(self, body: str, *, kind: str, mark: str | None = None) -> None:
        self.number += 1
        self.box.letters.append(letter(self.number, body, kind=kind, mark=mark, sent_at=self.clock.now + self.number))

    def match(self, *, parked: int = 1, anew: bool = False) -> LettersLook | None:
        queues: Queues = self.box  # type: ignore[assignment] # it is counted and looked through alike
        matcher = LetterMatcher(self.sync_registry, queues)
        return matcher.match(len(self.box.letters), parked, anew=anew, now_ms=self.clock.now)

    def unmarked(self, *, parked: int = 1, anew: bool = False) -> int | None:
        look = self.match(parked=parked, anew=anew)
        return look.unmarked if look is not None else None

    def ids(self) -> list[str]:
        return [one.id for one in self.box.letters]


@pytest.fixture
def site() -> SiteOfLetters:
    return SiteOfLetters()


def test_a_parked_reference_keeps_its_letter(site: SiteOfLetters) -> None:
    site.park()
    assert site.unmarked() == 0
    assert site.ids() == ["m-1"]


def test_a_reference_that_is_parked_twice_has_one_letter_the_newer(site: SiteOfLetters) -> None:
    site.park()
    site.park()
    assert site.unmarked() == 0
    assert site.ids() == ["m-2"]


def test_a_holder_that_died_between_the_letter_and_the_parking_leaves_one_letter(site: SiteOfLetters) -> None:
    owed = site.sync_registry.mark(APP, V1)
    site.send(owed)
    assert site.unmarked(parked=0) == 0
    assert site.ids() == ["m-1"], "it may be about to be parked"
    site.send(owed)
    site.sync_registry.fail(owed, "refused", parked=True)
    assert site.unmarked() == 0
    assert site.ids() == ["m-2"]


@pytest.mark.parametrize("how", ["marked again", "discharged", "forgotten"])
def test_a_reference_that_is_no_longer_parked_leaves_no_letter(site: SiteOfLetters, how: str) -> None:
    site.park()
    if how == "marked again":
        site.sync_registry.mark(APP, V1)
    else:
        site.store.table.pop(next(key for key in site.store.table if key.item == V1.owed_key))
    assert site.unmarked(parked=0) == 0
    assert site.ids() == []


def test_a_letter_of_the_version_before_goes_once_its_reference_is_parked_no_more(site: SiteOfLetters) -> None:
    owed = site.sync_registry.mark(APP, V1)
    site.send(owed, marked=False)
    site.sync_registry.fail(owed, "refused", parked=True)
    assert site.unmarked() == 0
    assert site.ids() == ["m-1"]
    site.sync_registry.mark(APP, V1)
    assert site.unmarked(parked=0) == 0
    assert site.ids() == ["m-1"], "a holder of that version may be about to park it"
    site.clock.now += UNNAMED_FOR_MS + 1000
    assert site.unmarked(parked=0) == 0
    assert site.ids() == []


def test_an_owed_item_that_cannot_be_read_keeps_its_letter(site: SiteOfLetters) -> None:
    site.park()
    site.store.write(Update(key=Key(APP, V1.owed_key), set={"attempts": "many"}))
    assert site.unmarked() == 0
    assert site.ids() == ["m-1"]


@pytest.mark.parametrize(
    ("kind", "body", "unmarked"),
    [
        ("refused", "no JSON", 1),
        ("refused", '{"version":"9","repository":"team/app"}', 1),
        ("crashed", '{"version":"1","repository":"team/app","tag":"v1"}', 1),
        ("crashed", "no JSON", 1),
        ("parked", "no JSON", 1),
        ("parked", WorkMessage(repository=APP, reason="replay", references=(V1, Reference.tag("v2"))).to_json(), 1),
        ("crashed", WorkMessage(repository=APP, reason="event").to_json(), 0),
        ("crashed", CatalogueMessage().to_json(), 0),
        ("crashed", VerifyMessage(repository=APP).to_json(), 0),
    ],
)
def test_a_letter_that_may_name_an_unmarked_push_is_counted_and_stays(
    site: SiteOfLetters, kind: str, body: str, unmarked: int
) -> None:
    site.park(Reference.tag("v3"))
    site.put(body, kind=kind)
    assert site.unmarked() == unmarked
    assert site.ids() == ["m-1", "m-2"]


def test_a_redriven_event_is_told_from_a_letter_that_an_operator_removed_elsewhere(site: SiteOfLetters) -> None:
    """The numbers alone would fit: two parked references, two messages."""
    site.park()
    site.park(Reference.tag("v2"))
    assert site.unmarked(parked=2) == 0
    site.box.letters.pop()
    assert site.unmarked(parked=2) == 0
    site.put('{"version":"1"}', kind="crashed")
    assert site.unmarked(parked=2) == 1


def test_an_unchanged_dlq_is_not_read_again(site: SiteOfLetters) -> None:
    site.park()
    for _ in range(3):
        assert site.unmarked() == 0
    assert site.box.looks == 1
    assert site.unmarked(anew=True) == 0
    assert site.unmarked(parked=2) == 0
    site.clock.now += LOOK_AGAIN_MS
    assert site.unmarked(parked=2) == 0
    assert site.box.looks == 4
    site.box.letters.clear()
    assert site.unmarked(parked=0) == 0
    assert site.box.looks == 4, "an empty queue needs no look"


def test_a_letter_in_flight_is_not_known(site: SiteOfLetters) -> None:
    site.park()
    site.put("no JSON", kind="refused")
    site.box.in_hand = 1
    assert site.match() is None
    site.box.in_hand = 0
    assert site.unmarked() == 1


def test_with_more_letters_than_are_read_their_number_decides(
    site: SiteOfLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.minute.letters.MOST", 2)
    for number in range(4):
        site.park(Reference.tag(f"v{number}"))
    site.box.in_hand = 2  # the queue gives the first two
    assert site.unmarked(parked=2) == 0
    site.put("no JSON", kind="refused")
    site.box.in_hand = 3
    assert site.match(parked=2) is None
    assert dead_letters.MOST == 1000


def test_an_event_of_the_site_s_own_registry_is_no_push_of_the_primary_s(site: SiteOfLetters) -> None:
    site.put(gave_up({"source": "aws.ecr", "detail-type": "ECR Image Action", "detail": {}}), kind=UNPUBLISHED)
    assert site.unmarked(parked=0) == 0
    site.put("no JSON", kind="refused")
    assert site.unmarked(parked=0) == 1
