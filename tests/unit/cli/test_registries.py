"""What `geosync check` says of a registry that a setting keeps from mounting blobs."""

from __future__ import annotations

import pytest

from geosync.cli.checks import registries
from geosync.cli.checks.findings import CheckFinding, exit_code
from geosync.errors import Denied
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry


class Setting(Registry):
    LABEL = "Some registry"
    advice: str | Denied | None = None

    def mounting_advice(self) -> str | None:
        if isinstance(self.advice, Denied):
            raise self.advice
        return self.advice


@pytest.fixture
def registry() -> Setting:
    return Setting("https://registry.example.com", Anonymous(), deadline=Deadline())


def look(registry: Setting) -> list[CheckFinding]:
    return list(registries._mounting(registry, "local_registry"))


def test_a_registry_that_mounts_or_lacks_the_setting_is_not_mentioned(registry: Setting) -> None:
    assert look(registry) == []


def test_the_way_to_the_setting_is_shown_and_is_no_problem(registry: Setting) -> None:
    registry.advice = "set it"
    (found,) = look(registry)
    assert (found.name, found.result, found.fix) == ("local_registry", "ok", "set it")
    assert found.text.startswith("Some registry does not mount")
    assert exit_code([found]) == 0


def test_a_caller_without_the_permission_for_the_setting_is_told_so(registry: Setting) -> None:
    registry.advice = Denied("registry.example.com", "ecr:GetAccountSetting", status=403)
    (found,) = look(registry)
    assert found.result == "skipped"
    assert "ecr:GetAccountSetting" in found.text
    assert exit_code([found]) == 0
