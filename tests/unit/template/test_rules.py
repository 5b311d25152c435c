"""The template's rules: parameters that contradict each other are refused with a sentence, before anything is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.template.parts import FUNCTIONS, PARAMETERS, RESOURCES, TEMPLATE, of_type

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
ENDPOINT = "vpce-0a1b2c3d4e5f60718"
ECR = "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com"

CONTRADICTIONS = {
    "a closed address without another": (
        {"DisableExecuteApiEndpoint": "true"},
        ["DisableExecuteApiEndpoint=true needs a CustomDomainName"],
    ),
    "a domain without a certificate": (
        {"CustomDomainName": "geo.example.com"},
        ["CustomDomainName needs the ARN of its certificate"],
    ),
    "a domain for pulls without a certificate": (
        {"ReadsDomainName": "pull.example.com"},
        ["ReadsDomainName needs the ARN of its certificate"],
    ),
    "a service without a token URL": (
        {"ReadsTokenService": "container_registry"},
        ["ReadsTokenService is a part of the challenge that ReadsTokenUrl gives"],
    ),
    "a bucket to copy to and none to copy from": (
        {"LocalRegistryBucket": "layers"},
        ["LocalRegistryBucket needs PrimaryRegistryBucket"],
    ),
    "a bucket to copy from and none to copy to": (
        {"PrimaryRegistryBucket": "layers"},
        ["PrimaryRegistryBucket needs LocalRegistryBucket"],
    ),
    "a bucket of a registry that has none of yours": (
        {"LocalRegistryBucket": "layers", "PrimaryRegistryBucket": "others/registry", "LocalRegistryVendor": "ghcr"},
        ["LocalRegistryBucket is for a registry that keeps its layers in a bucket of yours"],
    ),
    "a bucket of a primary's registry that has none of yours": (
        {"LocalRegistryBucket": "layers", "PrimaryRegistryBucket": "others/registry", "PrimaryRegistryVendor": "ghcr"},
        ["PrimaryRegistryBucket is for a registry that keeps its layers in a bucket of yours"],
    ),
    "ranges of addresses for a private API": (
        {"AdminVpcEndpointIds": ENDPOINT, "AdminSourceRanges": "203.0.113.0/24"},
        ["AdminSourceRanges is for an admin API with a public address"],
    ),
    "subnets without security groups": (
        {"SubnetIds": "subnet-0a1b2c3d,subnet-1a1b2c3d"},
        ["SubnetIds needs SecurityGroupIds"],
    ),
    "security groups without subnets": (
        {"SecurityGroupIds": "sg-0a1b2c3d"},
        ["SecurityGroupIds are for functions in SubnetIds"],
    ),
    "dual stack without subnets": (
        {"SubnetsDualStack": "on"},
        ["SubnetsDualStack=on is about SubnetIds"],
    ),
    "Google's notifications without a proof": (
        {"NotificationSource": "gar"},
        ["NotificationSource=gar needs NotificationAudience", "NotificationSource=gar needs NotificationSender"],
    ),
    "Amazon's events of another vendor's registry": (
        {"NotificationSource": "ecr", "LocalRegistryVendor": "gitlab"},
        ["NotificationSource=ecr takes the events of Amazon ECR"],
    ),
    "permissions for a registry in ECR that is not named": (
        {"PrimaryRegistryVendor": "ecr"},
        ["PrimaryRegistryVendor=ecr needs PrimaryRegistryUrl"],
    ),
}
ACCEPTED: list[dict[str, str]] = [
    {},
    {"SiteRole": "secondary"},
    {
        "DisableExecuteApiEndpoint": "true",
        "CustomDomainName": "geo.example.com",
        "CustomDomainCertificateArn": CERTIFICATE,
    },
    # A registry that does not redirect is no contradiction: clients are sent to it (functional/pull/test_rounds.py).
    {"Reads": "on"},
    {"Reads": "off", "ReadsDomainName": "pull.example.com", "ReadsDomainCertificateArn": CERTIFICATE},
    {"ReadsTokenUrl": "https://auth.example.com/token", "ReadsTokenService": "container_registry"},
    {
        "AdminVpcEndpointIds": ENDPOINT,
        "CustomDomainName": "geo.example.com",
        "CustomDomainCertificateArn": CERTIFICATE,
    },
    {"AdminSourceRanges": "203.0.113.0/24,198.51.100.0/24"},
    {"SubnetIds": "subnet-0a1b2c3d,subnet-1a1b2c3d", "SecurityGroupIds": "sg-0a1b2c3d"},
    {
        "NotificationSource": "gar",
        "NotificationAudience": "geosync-dublin",
        "NotificationSender": "registry-push@my-project.iam.gserviceaccount.com",
    },
    {"LocalRegistryBucket": "layers", "PrimaryRegistryBucket": "others/registry", "LocalRegistryVendor": "gitlab"},
    {"NotificationSource": "ecr"},
    {"NotificationSource": "ecr", "LocalRegistryVendor": "ecr"},
    {"PrimaryRegistryVendor": "ecr", "PrimaryRegistryUrl": ECR},
]


@pytest.mark.parametrize("parameters", [*ACCEPTED, *(one for one, _ in CONTRADICTIONS.values())], ids=str)
def test_each_value_by_itself_is_one_that_its_parameter_takes(parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        of = PARAMETERS[name]
        assert value in of.get("AllowedValues", [value])
        for one in value.split(",") if of["Type"] == "CommaDelimitedList" else [value]:
            assert re.fullmatch(of.get("AllowedPattern", ".*"), one), (name, one)


def _given(parameters: dict[str, str]) -> dict[str, str]:
    """What CloudFormation has for each parameter."""
    required = {"SiteName": "dublin", "SiteRole": "primary", "LocalRegistryUrl": "https://registry.example.com"}
    return {name: str(one.get("Default", required.get(name))) for name, one in PARAMETERS.items()} | parameters


def _evaluate(node: Any, given: dict[str, str]) -> Any:
    """A function of the rules, as CloudFormation's page of rule functions has it."""
    if not isinstance(node, dict):
        return [_evaluate(one, given) for one in node] if isinstance(node, list) else node
    ((function, arguments),) = node.items()
    if function == "Ref":
        value = given[arguments]
        return value.split(",") if PARAMETERS[arguments]["Type"] == "CommaDelimitedList" else value
    values = [_evaluate(one, given) for one in arguments]
    functions: dict[str, Callable[[], bool]] = {
        "Fn::Equals": lambda: values[0] == values[1],
        "Fn::Not": lambda: not values[0],
        "Fn::And": lambda: all(values),
        "Fn::Or": lambda: any(values),
        "Fn::Contains": lambda: values[1] in values[0],
        "Fn::EachMemberEquals": lambda: all(one == values[1] for one in values[0]),
    }
    return functions[function]()


def refused(parameters: dict[str, str]) -> list[str]:
    """The sentences with which the template refuses the parameters, in its order."""
    given = _given(parameters)
    return [
        assertion["AssertDescription"]
        for rule in TEMPLATE["Rules"].values()
        if _evaluate(rule.get("RuleCondition", True), given)
        for assertion in rule["Assertions"]
        if not _evaluate(assertion["Assert"], given)
    ]


@pytest.mark.parametrize("name", sorted(CONTRADICTIONS))
def test_contradictory_parameters_are_refused_with_a_sentence(name: str) -> None:
    parameters, expected = CONTRADICTIONS[name]
    found = refused(parameters)
    assert len(found) == len(expected)
    for sentence, beginning in zip(found, expected, strict=True):
        assert sentence.startswith(beginning)
        assert sentence.endswith(".")


@pytest.mark.parametrize("parameters", ACCEPTED, ids=lambda one: " ".join(one) or "the defaults")
def test_consistent_parameters_are_not_refused(parameters: dict[str, str]) -> None:
    assert refused(parameters) == []


def test_each_assertion_has_a_contradiction_that_it_refuses() -> None:
    sentences = {
        assertion["AssertDescription"] for rule in TEMPLATE["Rules"].values() for assertion in rule["Assertions"]
    }
    assert {one for parameters, _ in CONTRADICTIONS.values() for one in refused(parameters)} == sentences


def test_no_rule_refuses_the_parameters_that_a_failover_sets() -> None:
    # promote changes the role; follow changes what names the primary, and the registry's URL always with its vendor.
    for role in ("primary", "secondary"):
        for parameters in ACCEPTED:
            changed = {"SiteRole": role, "PrimaryTopicArn": "", "PrimaryRegistrySecretArn": "", "PrimaryAdminUrl": ""}
            assert refused({**parameters, **changed}) == []


def test_a_custom_domain_leads_to_no_api_that_can_be_private() -> None:
    # So a private admin API beside a custom domain is no contradiction, and no rule refuses it.
    behind = {one["RestApiId"]["Ref"] for one in of_type("AWS::ApiGateway::BasePathMapping").values()}
    assert behind == {"NotificationsApi", "PullApi"}
    for name in behind:
        assert RESOURCES[name]["Properties"]["EndpointConfiguration"] == {"Type": "REGIONAL"}


def test_no_api_has_an_ipv6_address_so_no_range_of_them_is_taken() -> None:
    for kind in ("AWS::Serverless::Api", "AWS::ApiGateway::DomainName"):
        for api in of_type(kind).values():
            assert "IpAddressType" not in str(api["EndpointConfiguration"])
    for name in ("NotificationSourceRanges", "AdminSourceRanges", "ReadsSourceRanges"):
        assert "IPv4" in PARAMETERS[name]["ConstraintDescription"]


def test_only_with_both_is_a_function_in_a_vpc() -> None:
    for name in ("SyncFunction", "PullFunction"):
        inside = FUNCTIONS[name]["VpcConfig"]["Fn::If"][1]
        assert inside["SecurityGroupIds"] == {"Ref": "SecurityGroupIds"}


def test_a_function_has_ipv6_only_where_somebody_wants_it() -> None:
    assert PARAMETERS["SubnetsDualStack"]["Default"] == "off"
    for name in ("SyncFunction", "PullFunction"):
        allowed = FUNCTIONS[name]["VpcConfig"]["Fn::If"][1]["Ipv6AllowedForDualStack"]
        assert allowed == {"Fn::If": ["HasDualStack", True, {"Ref": "AWS::NoValue"}]}
