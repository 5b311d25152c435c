"""What a probe finds out, and what it leaves behind."""

from __future__ import annotations

import pytest
from tests.unit.copying.fakes import FakeRegistry

from geosync.errors import Refused, RegistryUnavailable, Unauthorized
from geosync.oci.manifests import Manifest
from geosync.oci.repository import Repository
from geosync.pair.capabilities import EMPTY_DIGEST, Capabilities, probe


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


@pytest.mark.parametrize("error", [Unauthorized, RegistryUnavailable])
def test_an_answer_that_says_nothing_about_the_question_is_an_error(
    monkeypatch: pytest.MonkeyPatch, error: type[Unauthorized] | type[RegistryUnavailable]
) -> None:
    def fail(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> None:
        raise error(self.name, "PUT", status=503)

    monkeypatch.setattr(FakeRegistry, "put_manifest", fail)
    with pytest.raises(error):
        probe(Repository(FakeRegistry(), "team/app"))


def test_what_was_stored_comes_back_also_from_another_version() -> None:
    unusual = Capabilities(checks_blobs=False, mounts=False, referrers_api=True)
    assert Capabilities.from_dict(unusual.to_dict()) == unusual
    assert Capabilities.from_dict({"mounts": False, "unknown": True}) == Capabilities(mounts=False)
