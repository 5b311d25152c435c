"""Bounds on senders that are not the registry: by address, by the heartbeats' route, by the TLS version."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.template.parts import PARAMETERS, RESOURCES, TEMPLATE, of_type

from geosync.notifications.request import HEARTBEAT_WAY

APIS: dict[str, Any] = of_type("AWS::Serverless::Api")
PREFIX = "/v4/container_registry_event"


def test_ranges_close_the_registry_s_way_and_no_other() -> None:
    choice, open_to_all = APIS["NotificationsApi"]["Auth"]["ResourcePolicy"]["CustomStatements"]
    condition, closed, anywhere = choice["Fn::If"]
    assert condition == "HasNotificationSourceRanges"
    assert closed["Condition"] == {"IpAddress": {"aws:SourceIp": {"Ref": "NotificationSourceRanges"}}}
    assert closed["Resource"] == anywhere["Resource"] == f"execute-api:/api/POST{PREFIX}/events"
    assert "Condition" not in anywhere
    assert open_to_all["Resource"] == f"execute-api:/api/POST{PREFIX}/heartbeat"
    paths = {
        event["Properties"]["Path"] for event in RESOURCES["NotificationsFunction"]["Properties"]["Events"].values()
    }
    assert paths == {f"{PREFIX}/events", f"{PREFIX}/heartbeat"}


def test_strangers_have_a_rate_of_their_own_on_the_way_that_they_reach() -> None:
    everything, heartbeats = APIS["NotificationsApi"]["MethodSettings"]
    assert everything["ThrottlingRateLimit"] == {"Ref": "NotificationRate"}
    assert f"{PREFIX}/heartbeat" == HEARTBEAT_WAY
    assert heartbeats["ResourcePath"] == "/" + HEARTBEAT_WAY.replace("/", "~1")
    assert 1 / 60 < heartbeats["ThrottlingRateLimit"] < PARAMETERS["NotificationRate"]["Default"] / 100


def test_a_heartbeat_goes_beside_only_where_the_registry_s_way_is_closed_to_it() -> None:
    url = RESOURCES["ReconcileFunction"]["Properties"]["Environment"]["Variables"]["HEARTBEAT_URL"]
    assert url == TEMPLATE["Outputs"]["HeartbeatUrl"]["Value"]
    _, proxy, own = url["Fn::If"]
    assert proxy == {"Ref": "NotificationsUrl"}
    assert own["Fn::Sub"][1]["Way"] == {"Fn::If": ["HasNotificationSourceRanges", "heartbeat", "events"]}


@pytest.mark.parametrize("name", sorted(APIS))
def test_every_api_takes_tls_1_2_or_newer(name: str) -> None:
    # But in GovCloud (tests/unit/template/test_regions.py).
    policy = ["HasSecurityPolicies", "SecurityPolicy_TLS13_1_2_2021_06", {"Ref": "AWS::NoValue"}]
    assert APIS[name]["SecurityPolicy"] == {"Fn::If": policy}
    assert APIS[name]["EndpointAccessMode"] == {"Fn::If": ["HasSecurityPolicies", "BASIC", {"Ref": "AWS::NoValue"}]}
    for domain in of_type("AWS::ApiGateway::DomainName").values():
        assert domain["SecurityPolicy"] == "TLS_1_2"


def test_the_api_s_own_address_can_be_closed_and_a_change_of_that_deploys_the_api_anew() -> None:
    api = APIS["NotificationsApi"]
    assert api["DisableExecuteApiEndpoint"] == {"Fn::If": ["ClosesOwnAddress", True, False]}
    statements = api["Auth"]["ResourcePolicy"]["CustomStatements"][0]["Fn::If"][1:]
    for statement in statements:
        assert {"Ref": "DisableExecuteApiEndpoint"} in statement["Sid"]["Fn::Join"][1]
    rule = TEMPLATE["Rules"]["ClosedAddress"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "DisableExecuteApiEndpoint"}, "true"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CustomDomainName"}, ""]}]}


def test_a_web_acl_stands_before_the_stage() -> None:
    association = RESOURCES["NotificationsWebAcl"]
    assert association["Condition"] == "HasWebAcl"
    assert association["Properties"]["ResourceArn"]["Fn::Sub"].endswith(
        "/restapis/${NotificationsApi}/stages/${NotificationsApi.Stage}"
    )


def test_a_private_admin_api_is_reached_through_the_named_endpoints_alone() -> None:
    api = APIS["AdminApi"]
    endpoints = {"Ref": "AdminVpcEndpointIds"}
    assert api["EndpointConfiguration"] == {
        "Type": {"Fn::If": ["HasAdminVpcEndpoints", "PRIVATE", "REGIONAL"]},
        "VPCEndpointIds": {"Fn::If": ["HasAdminVpcEndpoints", endpoints, {"Ref": "AWS::NoValue"}]},
    }
    (denying,) = [
        choice["Fn::If"][1]
        for choice in api["Auth"]["ResourcePolicy"]["CustomStatements"]
        if "Fn::If" in choice and choice["Fn::If"][0] == "HasAdminVpcEndpoints"
    ]
    # A Deny, because the reports' way is allowed to everybody by another statement.
    assert denying["Effect"] == "Deny"
    assert denying["Resource"] == "execute-api:/*"
    assert denying["Condition"] == {"StringNotEquals": {"aws:SourceVpce": endpoints}}


def test_ranges_of_addresses_and_a_private_api_contradict_each_other() -> None:
    rule = TEMPLATE["Rules"]["PrivateAdminApi"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::EachMemberEquals": [{"Ref": "AdminVpcEndpointIds"}, ""]}]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::EachMemberEquals": [{"Ref": "AdminSourceRanges"}, ""]}


def test_an_api_with_an_authorizer_denies_whom_its_ranges_do_not_name() -> None:
    """Without one, whom no statement allows is refused; with one, the authorizer's Allow is enough (AWS, "Table A")."""
    assert [name for name, api in APIS.items() if "Authorizers" in api["Auth"]] == ["PullApi"]
    allowed, (condition, denied, nothing) = (
        one.get("Fn::If", one) for one in APIS["PullApi"]["Auth"]["ResourcePolicy"]["CustomStatements"]
    )
    assert (condition, nothing) == ("HasReadsSourceRanges", {"Ref": "AWS::NoValue"})
    assert denied.pop("Condition") == {"NotIpAddress": {"aws:SourceIp": {"Ref": "ReadsSourceRanges"}}}
    assert denied == allowed | {"Effect": "Deny"}
    assert allowed["Resource"] == "execute-api:/*"
