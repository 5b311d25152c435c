"""A pause of an operator's, and one of a command that changes the site's role: who ends which."""

from __future__ import annotations

import pytest
from tests.support.clock import START, FakeClock

from geosync.errors import RoleChanging
from geosync.sync_registry.site import pause
from geosync.sync_registry.site.pause import Pause, Pauses, role_change
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore

PROMOTION = role_change("promotion", "geosync-4f0c0123abcd")


class Site:
    """The pauses of one site, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), FakeClock()
        self.pauses = Pauses(self.store, self.clock)

    def reason(self) -> str | None:
        found = self.pauses.read()
        return found.reason if found is not None else None


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_change_of_role_is_told_by_its_reason() -> None:
    found = Pause(since=1, reason=PROMOTION)
    assert found.role_change == "0123abcd"
    for reason in ("", "promotion", "promotion [0123abcd] of mine", "following [0123abcd]"):
        assert Pause(since=1, reason=reason).role_change is None
    assert Pause(since=1, reason=role_change("following dublin", "0123abcd")).role_change == "0123abcd"
    assert Pause(since=1, reason="storage is moved").way_out == "geosync resume"


def test_one_operator_may_end_or_take_over_anothers_pause(site: Site) -> None:
    site.pauses.pause("storage")
    site.clock.pass_(60)
    site.pauses.pause("network")
    assert site.pauses.read() == Pause(since=START, reason="network")
    site.pauses.resume()
    site.pauses.resume()
    assert site.reason() is None


def test_a_pause_of_an_older_version_can_be_ended(site: Site) -> None:
    site.store.write(Update(key=pause.KEY))
    assert site.pauses.read() == Pause(since=0, reason="")
    site.pauses.resume()
    assert site.reason() is None


@pytest.mark.parametrize("before", [None, "", "storage"])
def test_the_pause_of_a_change_of_role_ends_with_it_and_an_operator_s_goes_on(site: Site, before: str | None) -> None:
    if before is not None:
        site.pauses.pause(before)
    site.pauses.take(PROMOTION)
    refusal = r"promotion \[0123abcd\].*geosync promote, run again"
    for abandoned in (None, "76543210"):
        with pytest.raises(RoleChanging, match=refusal):
            site.pauses.resume(abandoned)
    with pytest.raises(RoleChanging, match=refusal):
        site.pauses.pause("mine")
    site.pauses.give_back("promotion [76543210]")
    assert site.reason() == PROMOTION, "another one's"
    site.pauses.give_back(PROMOTION)
    assert site.reason() == before
    site.pauses.give_back(PROMOTION)
    assert site.reason() == before


def test_the_next_promotion_takes_over_from_one_that_was_interrupted(site: Site) -> None:
    site.pauses.pause("storage")
    site.pauses.take(PROMOTION)
    site.pauses.take("promotion [76543210]")
    site.pauses.give_back(PROMOTION)
    assert site.reason() == "promotion [76543210]"
    site.pauses.give_back()
    assert site.reason() == "storage"


def test_the_pause_of_an_abandoned_promotion_ends_by_its_id(site: Site) -> None:
    site.pauses.take(PROMOTION)
    site.pauses.resume("0123abcd")
    assert site.reason() is None


def test_a_pause_that_was_taken_since_it_was_read_is_not_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pauses.pause("storage")
    read = Pauses.read

    def taken_since(pauses: Pauses) -> Pause | None:
        monkeypatch.setattr(Pauses, "read", read)
        found = read(pauses)
        pauses.take(PROMOTION)
        return found

    monkeypatch.setattr(Pauses, "read", taken_since)
    with pytest.raises(RoleChanging):
        site.pauses.resume()
    assert site.reason() == PROMOTION
