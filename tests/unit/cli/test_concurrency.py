"""What check says of the executions that a site's parameters ask for, by what the account has."""

from __future__ import annotations

from typing import Any, cast

import boto3
import pytest
from tests.support.findings import problem
from tests.unit.template.parts import PARAMETERS

from geosync.cli.checks.concurrency import LEFT_UNRESERVED, OTHERS, POOLS, RESERVED, look
from geosync.cli.checks.findings import CheckFinding
from geosync.cli.site import AwsAccess, StackSite


class Account:
    """An account with so many executions, of which so many are reserved."""

    def __init__(self, quota: int, reserved: int) -> None:
        self._limit = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": quota - reserved}

    def client(self, service: str, **_: object) -> Any:
        assert service == "lambda"
        return self

    def get_account_settings(self) -> dict[str, Any]:
        return {"AccountLimit": self._limit}


def found(quota: int, reserved: int = 0, **parameters: str) -> CheckFinding:
    defaults = {name: str(PARAMETERS[name]["Default"]) for name in (*POOLS, RESERVED)}
    site = StackSite(
        access=AwsAccess(session=cast(boto3.Session, Account(quota, reserved))),
        stack="geosync-oregon",
        region="us-west-2",
        state="CREATE_COMPLETE",
        parameters={"SiteName": "oregon", "SiteRole": "secondary", **defaults, **parameters},
        outputs={},
    )
    (finding,) = look(site)
    return finding


def test_the_defaults_fit_into_an_ordinary_account() -> None:
    assert found(1_000).result == "ok"
    assert "= 41;" in found(1_000).text, "the sum that the template's comment has, and the other functions"
    assert OTHERS == 11


@pytest.mark.parametrize(("quota", "reserved"), [(10, 0), (40, 0), (1_000, 960)])
def test_an_account_with_too_few_is_a_problem_with_a_way_out(quota: int, reserved: int) -> None:
    fault = problem([found(quota, reserved)], "concurrency")
    assert f"{quota - reserved} unreserved of {quota}" in fault.text
    assert "quota" in (fault.fix or "")
    assert "LiveConcurrency" in (fault.fix or "")


def test_pulls_that_take_the_slots_of_pushes_are_said() -> None:
    said = "pulls by tag, up to 130 a second, take the 16 slots of LiveConcurrency as pushes do"
    strict = found(1_000, Reads="on", MaxStaleness="0")
    assert (strict.result, said in strict.text) == ("ok", True)
    assert "pulls by tag" not in found(1_000, Reads="on", MaxStaleness="300").text
    assert "pulls by tag" not in found(1_000, Reads="off", MaxStaleness="0").text


def test_executions_are_reserved_only_where_the_account_can_spare_them() -> None:
    assert RESERVED in (found(1_000, LiveConcurrency="1000").fix or "")
    assert RESERVED not in (found(LEFT_UNRESERVED, LiveConcurrency="1000").fix or "")
    assert RESERVED not in (found(1_000, LiveConcurrency="1000", NotificationsReservedConcurrency="10").fix or "")
