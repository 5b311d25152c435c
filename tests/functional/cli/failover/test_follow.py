"""`geosync follow`, and who may end its pause."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from tests.functional.cli.conftest import REGION, Site
from tests.functional.cli.stacks import (
    OTHER,
    CloudFormation,
    becomes,
    follow,
    interrupted,
    pause,
    refused,
)

from geosync.cli.site import AwsAccess

SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:dublin-abc123"


# ── follow ──


def test_the_new_primary_s_registry_is_followed_with_its_vendor_and_a_secret(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    leader = cloudformation.stacks[OTHER]
    own = {"LocalRegistrySecretArn": "arn:…", "LocalRegistryVendor": "gitlab"}
    cloudformation.stacks[OTHER] = replace(leader, parameters={**leader.parameters, **own})
    missing = follow(secondary, "--yes")
    assert missing.exit_code == 2
    assert (
        f"the registry of dublin asks for credentials: --registry-secret ARN, of a secret in {REGION}" in missing.output
    )
    assert f"aws secretsmanager list-secrets --region {REGION} " in missing.output
    assert cloudformation.updates == []
    cloudformation.error = refused("stop here")  # what comes after it needs functions
    follow(secondary, "--yes", "--registry-secret", SECRET)
    cloudformation.error = None
    follow(secondary, "--yes", "--registry-secret", SECRET)
    (update,) = cloudformation.updates
    assert update["SiteRole"] == "secondary"
    assert update["PrimaryRegistryUrl"] == "https://dublin.example.com"
    assert (update["PrimaryRegistrySecretArn"], update["PrimaryRegistryVendor"]) == (SECRET, "gitlab")


@pytest.mark.parametrize(
    ("known", "code"),
    [("https://dublin.example.com/", 0), ("https://oregon.example.com", 2)],
    ids=["its secret for that registry", "a secret for another one"],
)
def test_a_site_that_has_the_secret_for_that_registry_is_asked_for_none(
    secondary: Site, cloudformation: CloudFormation, known: str, code: int
) -> None:
    leader, site = cloudformation.stacks[OTHER], cloudformation.stacks[secondary.stack]
    asks = {**leader.parameters, "LocalRegistrySecretArn": "arn:…"}
    has = {**site.parameters, "PrimaryRegistryUrl": known, "PrimaryRegistrySecretArn": SECRET}
    cloudformation.stacks |= {OTHER: replace(leader, parameters=asks), site.stack: replace(site, parameters=has)}
    answer = follow(secondary, "--yes")
    assert ("asks for credentials" in answer.output) == (code == 2)
    assert [one["PrimaryRegistrySecretArn"] for one in cloudformation.updates] == ([SECRET] if code == 0 else [])


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"LocalRegistryBucket": "c", "LocalBucketKmsKeyArn": "key-c"}, ("c", "key-c", "b", "key-b")),
        ({"LocalRegistryVendor": "ecr"}, ("", "", "", "")),
    ],
    ids=["of the new primary", "of a primary without"],
)
def test_s3_copies_from_the_new_primary_s_bucket_or_from_none(
    secondary: Site, cloudformation: CloudFormation, own: dict[str, str], expected: tuple[str, ...]
) -> None:
    leader, site = cloudformation.stacks[OTHER], cloudformation.stacks[secondary.stack]
    cloudformation.stacks[OTHER] = replace(leader, parameters={**leader.parameters, **own})
    names = ("PrimaryRegistryBucket", "PrimaryBucketKmsKeyArn", "LocalRegistryBucket", "LocalBucketKmsKeyArn")
    buckets = dict(zip(names, ("a", "key-a", "b", "key-b"), strict=True))
    cloudformation.stacks[secondary.stack] = replace(site, parameters={**site.parameters, **buckets})
    follow(secondary, "--yes")
    (update,) = cloudformation.updates
    assert tuple({**buckets, **update}[name] for name in names) == expected


@pytest.mark.parametrize(
    ("region", "named", "expected"),
    [
        ("eu-south-1", "", "eu-south-1"),
        ("eu-south-1", "ap-east-1", "ap-east-1,eu-south-1"),
        ("eu-south-1", "eu-south-1", None),
        ("eu-west-1", "", None),
        ("eu-south-1", None, None),
    ],
    ids=["none named", "another named", "named already", "a default region", "a stack of before"],
)
def test_a_primary_in_an_opt_in_region_is_let_in_with_the_same_update(
    secondary: Site,
    cloudformation: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    region: str,
    named: str | None,
    expected: str | None,
) -> None:
    clients = AwsAccess.client
    monkeypatch.setattr(AwsAccess, "client", lambda self, service, region=None: clients(self, service, REGION))
    leader, site = cloudformation.stacks[OTHER], cloudformation.stacks[secondary.stack]
    cloudformation.stacks[OTHER] = replace(leader, region=region)
    more = {} if named is None else {"OptInRegions": named}
    cloudformation.stacks[secondary.stack] = replace(site, parameters={**site.parameters, **more})
    follow(secondary, "--yes")
    (update,) = cloudformation.updates
    assert update.get("OptInRegions") == expected


def test_the_example_for_terraform_leaves_alone_all_that_follow_changes(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = AwsAccess.client
    monkeypatch.setattr(AwsAccess, "client", lambda self, service, region=None: clients(self, service, REGION))
    leader, site = cloudformation.stacks[OTHER], cloudformation.stacks[secondary.stack]
    cloudformation.stacks[OTHER] = replace(leader, region="eu-south-1")
    keys = {"PrimaryBucketKmsKeyArn": "key-a", "LocalBucketKmsKeyArn": "key-b"}
    more = {"OptInRegions": "", "PrimaryRegistryBucket": "a", "LocalRegistryBucket": "b", **keys}
    cloudformation.stacks[secondary.stack] = replace(site, parameters={**site.parameters, **more})
    follow(secondary, "--yes")
    (update,) = cloudformation.updates
    page = (Path(__file__).parents[4] / "docs" / "getting-started.md").read_text()
    assert update.keys() == {*re.findall(r'^      parameters\["(\w+)"\],$', page, re.MULTILINE)}


def test_a_primary_with_a_private_admin_api_is_followed_without_reports(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    leader = cloudformation.stacks[OTHER]
    private = {**leader.parameters, "AdminVpcEndpointIds": "vpce-0a1b2c3d"}
    cloudformation.stacks[OTHER] = replace(leader, parameters=private)
    follow(secondary, "--yes")
    (update,) = cloudformation.updates
    assert update["PrimaryAdminUrl"] == ""
    assert cloudformation.stacks[OTHER].sync_registry.sites.find("frankfurt") is None


@pytest.mark.parametrize(
    "options",
    [
        ("--registry-secret", SECRET.replace(REGION, "us-west-2")),
        ("--registry-secret", "geosync/registry"),
        ("--registry-url", "https://user:password@registry.example.com"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused_before_anything_is_paused(
    secondary: Site, cloudformation: CloudFormation, options: tuple[str, str]
) -> None:
    answer = follow(secondary, "--yes", *options)
    assert (answer.exit_code, options[0] in answer.output) == (2, True)
    assert (pause(secondary), cloudformation.updates) == (None, [])


def test_a_pause_of_an_operator_s_stays_theirs(secondary: Site, cloudformation: CloudFormation) -> None:
    secondary.sync_registry.pause("storage is moved")
    cloudformation.error = refused("not authorized")
    during: list[str | None] = []
    cloudformation.meanwhile = lambda: during.append(pause(secondary))
    assert follow(secondary, "--yes").exit_code == 2
    assert re.fullmatch(r"following dublin \[[0-9a-f]{8}\]", str(during[0]))
    assert pause(secondary) == "storage is moved"


@pytest.mark.parametrize("before", [None, "storage is moved", ""])
def test_nobody_else_ends_or_takes_the_pause_of_a_promotion(
    secondary: Site, cloudformation: CloudFormation, before: str | None
) -> None:
    if before is not None:
        secondary.sync_registry.pause(before)
    answers: list[Result] = []
    cloudformation.meanwhile = lambda: answers.extend(
        secondary.run(*command) for command in (("resume",), ("pause", "mine"), ("resume", "--abandoned", "01234567"))
    )
    cloudformation.error = refused("not authorized")
    secondary.run("promote", "--yes")
    for answer in answers:
        assert answer.exit_code == 2
        assert re.search(r"paused by a change of its role \(promotion \[[0-9a-f]{8}\]\)", answer.output)
        assert "geosync promote, run again, ends it" in answer.output
    assert (len(answers), pause(secondary)) == (3, before)


def test_an_abandoned_promotion_s_pause_ends_by_its_id_once_its_update_has_ended(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(secondary, cloudformation, monkeypatch)
    made = re.search(r"[0-9a-f]{8}", str(pause(secondary)))
    assert made is not None
    becomes(cloudformation, "UPDATE_IN_PROGRESS", SiteRole="secondary")
    refusal = secondary.run("resume", "--abandoned", made[0])
    assert (refusal.exit_code, "is UPDATE_IN_PROGRESS, nothing was changed" in refusal.output) == (2, True)
    becomes(cloudformation, "UPDATE_ROLLBACK_COMPLETE")
    assert secondary.run("resume").exit_code == 2
    assert pause(secondary) is not None
    assert secondary.run("resume", "--abandoned", made[0]).exit_code == 0
    assert pause(secondary) is None


def test_a_primary_that_is_to_follow_another_is_told_whose_pushes_are_newer(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    stacks = cloudformation.stacks
    site = stacks[secondary.stack]
    stacks[secondary.stack] = replace(site, parameters={**site.parameters, "SiteRole": "primary"})
    said = follow(secondary, typed="dublin\n")
    assert "The last push that frankfurt published came more than" in said.output
    assert "A tag that both have becomes what it is at dublin." in said.output
    assert "frankfurt (it is a primary now) follows dublin. Type its name" in said.output
    assert (said.exit_code, cloudformation.updates) == (3, [])


@pytest.mark.parametrize("output", ["json", "tsv", "name"])
def test_an_output_for_programs_asks_no_questions(secondary: Site, cloudformation: CloudFormation, output: str) -> None:
    refused = follow(secondary, "-o", output, typed="frankfurt\n")
    assert (refused.exit_code, refused.stdout, "say --yes too" in refused.stderr) == (2, "", True)
    assert cloudformation.updates == []
