"""The roles that the local stack shows are those of now, not those of the first deployment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local import stack
from local.deploy import Site
from local.roles import NOT_KNOWN, current_role, in_current_roles, with_current_roles

DESCRIPTION = {
    "aws_endpoint_url": "http://127.0.0.1:1",
    "sites": [
        {"name": "dublin", "role": "primary", "stack": "geosync-dublin", "region": "eu-west-1"},
        {"name": "frankfurt", "role": "secondary", "stack": "geosync-frankfurt", "region": "eu-central-1"},
    ],
}


class Emulator:
    """CloudFormation with a stack in each region, whose role is told; a stack without one cannot be read."""

    def __init__(self, **roles: str) -> None:
        self.roles = roles
        self.asked: list[tuple[str, str]] = []

    def client(self, service: str, region: str) -> Any:
        assert service == "cloudformation"

        def describe_stacks(StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
            self.asked.append((StackName, region))
            role = self.roles.get(StackName.removeprefix("geosync-"))
            if role is None:
                raise ClientError({"Error": {"Code": "ValidationError", "Message": "no such stack"}}, "DescribeStacks")
            return {"Stacks": [{"Parameters": [{"ParameterKey": "SiteRole", "ParameterValue": role}]}]}

        return SimpleNamespace(describe_stacks=describe_stacks)


def test_after_a_promotion_the_description_has_the_new_roles() -> None:
    emulator = Emulator(dublin="secondary", frankfurt="primary")
    shown = with_current_roles(emulator, DESCRIPTION)
    assert [(one["name"], one["role"]) for one in shown["sites"]] == [("dublin", "secondary"), ("frankfurt", "primary")]
    assert emulator.asked == [("geosync-dublin", "eu-west-1"), ("geosync-frankfurt", "eu-central-1")]
    assert {**shown, "sites": None} == {**DESCRIPTION, "sites": None}
    assert DESCRIPTION["sites"][0]["role"] == "primary"  # type: ignore[index] # what is on disk stays


def test_a_role_that_cannot_be_read_is_not_known() -> None:
    assert current_role(Emulator(), stack="geosync-dublin", region="eu-west-1") == NOT_KNOWN
    sites = in_current_roles(Emulator(dublin="primary"), [Site(name="dublin", role="secondary", region="eu-west-1")])
    assert [one.role for one in sites] == ["primary"]


def test_make_status_prints_the_roles_of_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = {"registry": "http://r", "admin_url": "http://a"}
    sites = [{**one, **addresses} for one in DESCRIPTION["sites"]]  # type: ignore[dict-item]
    emulator = Emulator(dublin="secondary", frankfurt="primary")
    description = with_current_roles(emulator, {**DESCRIPTION, "sites": sites})
    up = stack.Stack(emulator=emulator, description=description)  # type: ignore[arg-type]
    monkeypatch.setattr(stack, "running", lambda _: up)
    assert stack.main(["status"]) == 0
    assert "dublin     secondary" in capsys.readouterr().out
