"""Parameters that contradict each other: CloudFormation refuses them with the template's sentence and makes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local import deploy
from local.stack import Stack
from tests.e2e.parts import Site
from tests.unit.template.test_rules import CONTRADICTIONS, refused

SITE = deploy.Site(name="tromso", role="primary", region="eu-north-1")
GIVEN = {"SiteName": SITE.name, "SiteRole": SITE.role, "LocalRegistryUrl": "https://registry.example.com"}
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


@pytest.fixture(scope="module")
def template(stack: Stack, built: Path) -> str:
    """The URL of the template that the sites are deployed from, without the code that it names."""
    s3, bucket = stack.emulator.client("s3", SITE.region), f"{SITE.stack}-template"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": SITE.region})
    s3.put_object(Bucket=bucket, Key="template", Body=(built / "package" / "packaged" / "template.json").read_bytes())
    return f"{stack.emulator.url}/{bucket}/template"


def as_parameters(given: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]


def refusal(call: Any, **asked: Any) -> str:
    """The sentence with which CloudFormation refuses a call."""
    with pytest.raises(ClientError) as error:
        call(**asked, Capabilities=CAPABILITIES)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    return error.value.response["Error"]["Message"]


@pytest.mark.parametrize("name", sorted(CONTRADICTIONS))
def test_a_site_whose_parameters_contradict_each_other_is_not_begun(stack: Stack, template: str, name: str) -> None:
    cloudformation = stack.emulator.client("cloudformation", SITE.region)
    parameters, _ = CONTRADICTIONS[name]
    said = refusal(
        cloudformation.create_stack,
        StackName=SITE.stack,
        TemplateURL=template,
        Parameters=as_parameters({**GIVEN, **parameters}),
    )
    assert refused(parameters)[0] in said
    with pytest.raises(ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName=SITE.stack)


@pytest.mark.parametrize("name", ["NotificationSourceRanges", "AdminSourceRanges", "ReadsSourceRanges"])
def test_ranges_of_ipv6_are_refused_as_the_apis_have_no_such_address(stack: Stack, template: str, name: str) -> None:
    cloudformation = stack.emulator.client("cloudformation", SITE.region)
    asked = {"StackName": SITE.stack, "TemplateURL": template}
    given = as_parameters({**GIVEN, name: "203.0.113.0/24,2001:db8::/32"})
    assert "IPv4 CIDR ranges" in refusal(cloudformation.create_stack, **asked, Parameters=given)


def test_an_update_that_contradicts_itself_changes_nothing(secondary: Site) -> None:
    cloudformation, stack = secondary.client("cloudformation"), f"geosync-{secondary.name}"

    def state() -> tuple[Any, ...]:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return found["StackStatus"], found.get("LastUpdatedTime"), found["Parameters"]

    before = state()
    given = {one["ParameterKey"]: one["ParameterValue"] for one in before[2]} | {"SubnetIds": "subnet-0a1b2c3d"}
    said = refusal(
        cloudformation.update_stack, StackName=stack, UsePreviousTemplate=True, Parameters=as_parameters(given)
    )
    assert "SubnetIds needs SecurityGroupIds" in said
    assert state() == before
