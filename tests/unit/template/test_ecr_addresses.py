"""The permissions for Amazon ECR are for the account and the region that the registry's host name says."""

from __future__ import annotations

from typing import Any

import pytest
from local.intrinsics import Resolver
from tests.unit.template.parts import RESOURCES, TEMPLATE

from geosync.registries.vendors.ecr import Ecr, EcrAccess, _place

ACCOUNT, HERE = "123456789012", "eu-west-1"


class Stack(Resolver):
    """A stack with both registries at one address."""

    def __init__(self, url: str) -> None:
        super().__init__(TEMPLATE, met=True)
        self._url = url

    def _named(self, name: str) -> Any:
        return self._url if name in {"LocalRegistryUrl", "PrimaryRegistryUrl"} else super()._named(name)


def places(url: str) -> set[tuple[str, str]]:
    """The regions and accounts in whose repositories a site with these registries may do anything."""
    policy = Stack(url).value(RESOURCES["EcrPolicy"]["Properties"]["PolicyDocument"])
    named = [one["Resource"] for one in policy["Statement"] if ":repository/" in str(one["Resource"])]
    assert len(named) == 4
    parts = [arn.split(":") for arn in named]
    return {(region, account) for _, _, service, region, account, _ in parts if service == "ecr"}


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com", "us-west-2"),
        (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        (f"{ACCOUNT}.dkr-ecr.us-west-2.on.aws", "us-west-2"),
        (f"{ACCOUNT}.dkr-ecr-fips.us-west-2.on.aws", "us-west-2"),
        (f"{ACCOUNT}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1"),
    ],
)
def test_ecr_addresses_are_those_that_functions_sync_asks(host: str, region: str) -> None:
    place = _place(host, EcrAccess())
    assert Ecr.recognises(host)
    assert places(f"https://{host}") == places(f"https://{host}:443/") == {(place.region, place.account)}
    assert (place.region, place.account) == (region, ACCOUNT)


@pytest.mark.parametrize(
    "host", ["registry.example.com", "registry", "ecr.internal:8443", "ecr.eu.internal.example.com"]
)
def test_for_a_name_of_ones_own_they_are_for_no_account_and_the_stack_can_be_made(host: str) -> None:
    # CloudFormation refuses a stack in which Fn::Select finds nothing; Resolver raises IndexError.
    assert not Ecr.recognises(host)
    ((_, account),) = places(f"https://{host}")
    assert not account.isdigit()
