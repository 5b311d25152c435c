"""Amazon ECR: what is read from a host and a secret, and what AWS's own API is asked (moto)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from tests.support.moved_clock import MovedClock

from geosync.errors import ConfigurationError, NotFound
from geosync.oci.credentials import Borrowed
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag
from geosync.oci.manifests import Manifest
from geosync.registries import vendors
from geosync.registries.opening import open_registry
from geosync.registries.vendors.ecr import Ecr
from geosync.registries.vendors.ecr_account import EcrAccount, Place

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/geosync"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield monkeypatch


def ecr(**secret: object) -> Ecr:
    text = json.dumps({"type": "ecr", **secret}) if secret else None
    registry = open_registry(f"https://{HOST}", text, deadline=Deadline(), writes=True)
    assert isinstance(registry, Ecr)
    return registry


def manifest(word: str) -> str:
    return json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "a": word})


@pytest.mark.parametrize(
    ("host", "known"),
    [
        (HOST, True),
        (HOST.upper(), True),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", True),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", True),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", True),
        ("public.ecr.aws", False),
        (f"{HOST}.example.com", False),
        (f"x{HOST}", False),
        ("registry.example.com", False),
    ],
)
def test_it_is_known_by_its_host(host: str, known: bool) -> None:
    assert (vendors.find(f"https://{host}") is Ecr) is known


def test_no_secret_means_the_functions_own_role() -> None:
    assert isinstance(ecr().credentials, Borrowed)


@pytest.mark.parametrize(
    ("secret", "named"),
    [
        ({"external_id": "x"}, "external_id belongs to a role_arn"),
        ({"role_arn": 1}, "role_arn"),
        ({"immutable_tags": "yes"}, "immutable_tags must be true or false"),
        ({"repository_tags": ["a"]}, "repository_tags must be an object of texts"),
        ({"password": "p"}, "'password' is not a key of the type ecr"),
    ],
)
def test_an_error_names_what_is_wrong_with_a_secret(secret: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ecr(**secret)


def test_an_account_and_a_password_are_no_secret_for_it() -> None:
    with pytest.raises(ConfigurationError, match="is of the type ecr, or there is none"):
        open_registry(f"https://{HOST}", '{"username": "AWS", "password": "p"}', deadline=Deadline())


def test_under_another_name_the_secret_must_say_account_and_region() -> None:
    with pytest.raises(ConfigurationError, match="must say account and region"):
        open_registry("https://registry.example.com", None, vendor="ecr", deadline=Deadline())
    secret = '{"type": "ecr", "account": "123456789012", "region": "eu-west-1"}'
    assert isinstance(open_registry("https://r.example.com", secret, vendor="ecr", deadline=Deadline()), Ecr)


def test_the_requests_to_aws_are_valid(aws: pytest.MonkeyPatch) -> None:
    there = boto3.client("ecr", region_name="eu-central-1")
    registry = ecr(repository_tags={"team": "geo"}, immutable_tags=True, scan_on_push=True, kms_key="arn:aws:kms:x")

    assert registry.make_repository("team/app")
    assert registry.make_repository("team/app")

    (made,) = there.describe_repositories()["repositories"]
    assert made["repositoryName"] == "team/app"
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["encryptionConfiguration"] == {"encryptionType": "KMS", "kmsKey": "arn:aws:kms:x"}
    assert there.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [{"Key": "team", "Value": "geo"}]
    assert list(registry.repositories()) == [["team/app"]]
    assert list(registry.repositories(last="team/app")) == []


def test_tags_come_with_their_digests_and_are_removed_one_by_one(aws: pytest.MonkeyPatch) -> None:
    there = boto3.client("ecr", region_name="eu-central-1")
    registry = ecr()
    registry.make_repository("team/app")
    digests = {}
    for tag in ("v1", "v2"):
        read = Manifest.read(manifest(tag).encode(), None)
        there.put_image(repositoryName="team/app", imageManifest=manifest(tag), imageTag=tag, imageDigest=read.digest)
        digests[tag] = read.digest
    there.put_image(
        repositoryName="team/app", imageManifest=manifest("v1"), imageTag="again", imageDigest=digests["v1"]
    )

    (page,) = registry.tags_with_digests("team/app")
    assert sorted(page) == [
        ListedTag("again", digests["v1"]),
        ListedTag("v1", digests["v1"]),
        ListedTag("v2", digests["v2"]),
    ]
    registry.delete_manifest("team/app", "v1")
    registry.delete_manifest("team/app", "v1")
    (page,) = registry.tags_with_digests("team/app")
    assert sorted(one.tag for one in page) == ["again", "v2"]


def test_a_repository_that_is_not_there_is_not_found(aws: pytest.MonkeyPatch) -> None:
    registry = ecr()
    with pytest.raises(NotFound):
        list(registry.tags_with_digests("team/app"))
    with pytest.raises(NotFound):
        registry.delete_manifest("team/app", "v1")


def test_the_password_is_lent_until_half_an_hour_before_its_end(aws: pytest.MonkeyPatch) -> None:
    loan = EcrAccount("r", Place(account="123456789012", region="eu-central-1")).borrow()
    assert loan.username == "AWS"
    assert loan.password
    assert loan.renew_at_s <= time.time() + 12 * 3600 - 30 * 60 + 5
    assert loan.password not in repr(loan)


def test_a_role_in_another_account_is_assumed_and_its_session_renewed(aws: pytest.MonkeyPatch) -> None:
    clock, place = MovedClock(), Place(account="123456789012", region="eu-central-1")
    account = EcrAccount("r", place, role_arn=ROLE, external_id="geo", clock=clock)
    first = account.ecr()
    assert first is account.ecr()
    identity = boto3.client("sts").get_caller_identity()["Arn"]
    assert "assumed-role" not in identity
    signer = first._request_signer  # type: ignore[attr-defined]
    assert signer._credentials.token, "the session of the role, not the function's own"
    clock.ahead_s = 3600
    assert account.ecr() is not first
