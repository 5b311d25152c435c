"""The steps after a promotion: a command for each other site, as complete as the known values allow."""

from __future__ import annotations

from dataclasses import replace

from tests.functional.cli.conftest import REGION, Site
from tests.functional.cli.stacks import CloudFormation

from geosync.cli.failover.next_steps import next_steps
from geosync.sync_registry.site.told import Told, ToldSite

TOPIC = "arn:aws:sns:eu-west-1:123456789012:geosync-dublin"


def promoted(site: Site, cloudformation: CloudFormation, *, stack: str, **parameters: str) -> list[str]:
    """What is said after the promotion of frankfurt, whose stack has the name."""
    found = cloudformation.stacks[site.stack]
    return list(next_steps(replace(found, stack=stack, parameters={**found.parameters, **parameters})))


def test_each_site_has_its_command_with_what_is_known_of_it(secondary: Site, cloudformation: CloudFormation) -> None:
    addresses = {
        "dublin": "https://registry-admin.example.com/geo",  # a domain of its own: the topic says where it is
        "frankfurt": "https://a.execute-api.eu-central-1.amazonaws.com/geo",
        "oregon": "https://a1b2.execute-api.us-west-2.amazonaws.com/geo",
        "tokyo": "https://us-east-1.example.com/geo",
        "x; rm -r": "https://a1b2.execute-api.us-west-2.amazonaws.com/geo",
    }
    told = tuple(ToldSite(name=name, url=url, primary=name == "dublin") for name, url in addresses.items())
    secondary.sync_registry.told.record(Told(at=1, sites=told))
    said = promoted(secondary, cloudformation, stack="geosync-frankfurt", PrimaryTopicArn=TOPIC)
    follow = f"follow geosync-frankfurt@{REGION}"
    assert said == [
        "Have each other site follow it, and the old primary when it is back:",
        f"  geosync --stack geosync-dublin --region eu-west-1 {follow}",
        f"  geosync --stack geosync-oregon --region us-west-2 {follow}",
        f"  geosync --stack geosync-tokyo --region REGION {follow}",
        "The stacks' names are guessed from geosync-frankfurt.",
        "REGION: that site's region.",
    ]


def test_each_value_that_follow_asks_for_is_named_with_its_source(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    asks = {"LocalRegistrySecretArn": "arn:…"}
    said = promoted(secondary, cloudformation, stack="geosync-frankfurt", PrimaryTopicArn=TOPIC, **asks)
    assert said[1] == (
        f"  geosync --stack geosync-dublin --region eu-west-1 follow geosync-frankfurt@{REGION} --registry-secret ARN"
    )
    assert said[-2:] == [
        "ARN: the secret in that site's region with credentials for https://frankfurt.example.com; "
        "none if it may read without.",
        "These are the region's secrets: aws secretsmanager list-secrets --region REGION --query 'SecretList[].ARN'",
    ]


def test_where_nothing_is_known_the_command_has_gaps_that_are_explained(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    said = promoted(secondary, cloudformation, stack="replica")
    assert said[1:] == [
        f"  geosync --stack STACK --region REGION follow replica@{REGION}",
        "STACK: the name of that site's stack.",
        "REGION: that site's region.",
    ]


def test_promote_prints_the_next_steps(secondary: Site, cloudformation: CloudFormation) -> None:
    found = cloudformation.stacks[secondary.stack]
    asks = {"LocalRegistrySecretArn": "arn:…", "PrimaryTopicArn": TOPIC}
    cloudformation.stacks[secondary.stack] = replace(found, parameters={**found.parameters, **asks})
    for answer in (secondary.run("promote", "--yes"), secondary.run("promote", "--yes")):  # and run again
        lines = answer.output.splitlines()
        assert (
            f"  geosync --stack STACK --region eu-west-1 follow {secondary.stack}@{REGION} --registry-secret ARN"
            in lines
        )
