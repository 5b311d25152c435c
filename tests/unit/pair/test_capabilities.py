"""What a probe finds out, and what it leaves behind."""

from __future__ import annotations

import json

import pytest
from tests.support.clock import FakeClock
from tests.unit.copying.fakes import FakeRegistry

from geosync.errors import OutcomeUnknown, Refused, RegistryUnavailable, Unauthorized
from geosync.oci.manifests import Manifest
from geosync.oci.repository import Repository
from geosync.pair import known_capabilities
from geosync.pair.capabilities import EMPTY_DIGEST, Capabilities, probe
from geosync.pair.known_capabilities import ASK_AGAIN_S, FORGET_AFTER_S, KnownCapabilities
from geosync.sync_registry.site.capabilities import RegistryHabits
from geosync.sync_registry.table.memory import MemoryStore


def test_a_distribution_is_found_to_be_as_the_defaults_say() -> None:
    registry = FakeRegistry()
    assert probe(Repository(registry, "team/app")) == Capabilities()
    assert registry.manifests == {}
    assert set(registry.blobs) == {EMPTY_DIGEST}
    assert len(registry.requests) <= 8


@pytest.mark.parametrize("habit", ["checks_blobs", "checks_children", "mounts", "referrers_api"])
def test_each_habit_is_found_by_itself(habit: str) -> None:
    usual = Capabilities().to_dict()
    registry = FakeRegistry()
    setattr(registry, habit, not usual[habit])
    assert probe(Repository(registry, "team/app")).to_dict() == {**usual, habit: not usual[habit]}
    assert registry.manifests == {}, "what was accepted is deleted again"


def test_a_registry_that_accepts_and_cannot_delete_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(self: FakeRegistry, repository: str, reference: str) -> None:
        raise Refused(self.name, "DELETE", status=405, codes=("UNSUPPORTED",))

    monkeypatch.setattr(FakeRegistry, "delete_manifest", cannot)
    assert not probe(Repository(FakeRegistry(checks_blobs=False), "team/app")).checks_blobs


def test_a_refusal_that_does_not_name_what_is_missing_checks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> None:
        raise Refused(self.name, "PUT", status=400, codes=("MANIFEST_INVALID",))

    monkeypatch.setattr(FakeRegistry, "put_manifest", refuse)
    found = probe(Repository(FakeRegistry(), "team/app"))
    assert (found.checks_blobs, found.checks_children) == (False, False)


def test_a_registry_that_checks_some_platforms_only_is_one_that_does_not_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Distribution 3 with `validation.manifests.indexes.platforms: list`."""
    put = FakeRegistry.put_manifest

    def of_a_platform(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> bool:
        listed = json.loads(manifest.content).get("manifests", [])
        if any("platform" not in one for one in listed):
            raise OutcomeUnknown(self.name, "PUT", detail="connection closed")
        self.never_checked |= {one["digest"] for one in listed if one["platform"]["os"] != "linux"}
        return put(self, repository, reference, manifest)

    monkeypatch.setattr(FakeRegistry, "put_manifest", of_a_platform)
    registry = FakeRegistry()
    assert probe(Repository(registry, "team/app")) == Capabilities(checks_children=False)
    assert registry.manifests == {}


def test_a_registry_that_breaks_off_when_it_is_asked_is_not_known_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    put = FakeRegistry.put_manifest

    def break_off(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> bool:
        if manifest.is_index:
            raise OutcomeUnknown(self.name, "PUT", detail="connection closed")
        return put(self, repository, reference, manifest)

    monkeypatch.setattr(FakeRegistry, "put_manifest", break_off)
    found = probe(Repository(FakeRegistry(), "team/app"))
    assert found == Capabilities(checks_children=False, unsure=True)


def test_a_registry_that_goes_down_during_the_probe_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: FakeRegistry, *_: object) -> bool:
        raise RegistryUnavailable(self.name, "PUT")

    monkeypatch.setattr(FakeRegistry, "put_manifest", down)
    monkeypatch.setattr(FakeRegistry, "referrers", down)
    with pytest.raises(RegistryUnavailable):
        probe(Repository(FakeRegistry(), "team/app"))


@pytest.mark.parametrize(
    ("unsure", "passed_s", "asked"),
    [(False, ASK_AGAIN_S, 1), (False, FORGET_AFTER_S, 2), (True, ASK_AGAIN_S - 1, 1), (True, ASK_AGAIN_S, 2)],
)
def test_an_unanswered_question_is_asked_again_within_an_hour(
    monkeypatch: pytest.MonkeyPatch, *, unsure: bool, passed_s: int, asked: int
) -> None:
    answers: list[Capabilities] = []

    def answer(_: Repository) -> Capabilities:
        answers.append(Capabilities(unsure=unsure))
        return answers[-1]

    monkeypatch.setattr(known_capabilities, "probe", answer)
    store, clock, repository = MemoryStore(), FakeClock(), Repository(FakeRegistry(), "team/app")
    KnownCapabilities(RegistryHabits(store), clock)(repository)
    clock.pass_(passed_s)
    known = KnownCapabilities(RegistryHabits(store), clock)
    assert known(repository) is not None
    assert known(repository) is not None
    assert len(answers) == asked


def test_a_registry_whose_habits_are_forgotten_is_asked_again_by_every_function() -> None:
    store, registry = MemoryStore(), FakeRegistry()
    repository = Repository(registry, "team/app")
    here, elsewhere = (KnownCapabilities(RegistryHabits(store)) for _ in range(2))
    assert here(repository).checks_children
    registry.checks_children = False
    here.forget(repository)
    assert not elsewhere(repository).checks_children
    assert not here(repository).checks_children


@pytest.mark.parametrize("error", [Unauthorized, RegistryUnavailable])
def test_an_unrelated_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch, error: type[Unauthorized] | type[RegistryUnavailable]
) -> None:
    def fail(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> None:
        raise error(self.name, "PUT", status=503)

    monkeypatch.setattr(FakeRegistry, "put_manifest", fail)
    with pytest.raises(error):
        probe(Repository(FakeRegistry(), "team/app"))


def test_stored_capabilities_are_read_back_also_from_another_version() -> None:
    unusual = Capabilities(checks_blobs=False, mounts=False, referrers_api=True)
    assert Capabilities.from_dict(unusual.to_dict()) == unusual
    assert Capabilities.from_dict({"mounts": False, "unknown": True}) == Capabilities(mounts=False)
