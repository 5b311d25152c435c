"""geosync smoke: it names and tags all that it makes, reports what it saw, and removes everything, however it ends."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from release import ROOT
from tests.functional.cli.shown import shows_everything
from tests.functional.cli.smoke.conftest import ACCOUNT, ID, NAMES, A, B, Smoked
from tests.support.aws_calls import counted

from geosync.cli.main import main
from geosync.cli.output import Answer
from geosync.cli.smoke import command, leftovers
from geosync.cli.smoke.names import TAG, SmokePlace
from geosync.cli.smoke.promises import Promises
from geosync.cli.smoke.steps import NotKnown, NotSeen
from geosync.errors import RegistryUnavailable

MINE = "--account-is-mine"
ACTIONS = {"HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket", "DeleteObjects": "DeleteObject"}
"""The permissions of operations that have another name (service authorization reference, Amazon S3)."""
pair = command._pair
"""As it is: the fixture `smoke` has registries in the place of all."""
PAGE = ROOT / "docs" / "smoke.md"


def report(smoke: Smoked, *arguments: str, code: int) -> Any:
    ended = smoke(*arguments, "-o", "json")
    assert ended.exit_code == code, (ended.exit_code, ended.output, ended.exception)
    return json.loads(ended.stdout)


def verdicts(document: Any) -> dict[str, str]:
    return {step["name"]: step["verdict"] for step in document["steps"]}


def failing(monkeypatch: pytest.MonkeyPatch, look: str, error: BaseException) -> None:
    def fail(*_: object) -> str:
        raise error

    monkeypatch.setattr(Promises, look, fail)


def test_without_the_caller_s_word_it_says_what_it_would_make_and_asks_aws_nothing(smoke: Smoked) -> None:
    with counted() as calls:
        ended = smoke()
    assert (ended.exit_code, dict(calls)) == (2, {})
    for said in (A, B, TAG, "bucket", "US cents", "20 minutes", MINE):
        assert said in ended.stdout, said
    assert smoke.left() == set()


def test_every_promise_is_seen_and_nothing_is_left(
    smoke: Smoked, answers: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = report(smoke, MINE, code=0)
    shows_everything(answers[-1], monkeypatch)
    assert set(verdicts(document).values()) == {"seen"}
    assert (document["id"], document["regions"], document["left"]) == (ID, [A, B], [])
    assert {name for _, name in smoke.stacks.stacks} == {NAMES.stack("a"), NAMES.stack("b")}
    assert smoke.left() == set()
    shown = smoke(MINE)
    assert "14 of 14 promises were seen: seen." in shown.stdout
    assert f"geosync smoke --remove {ID} --region {A} --other-region {B}" in shown.stderr


def test_everything_that_it_makes_has_the_id_in_its_name_and_the_tag(smoke: Smoked) -> None:
    report(smoke, MINE, "--keep", code=0)
    left = smoke.left()
    assert len(left) == 8  # two stacks, four tables, two buckets
    assert all(ID in name for name in left)
    s3 = boto3.client("s3", region_name=A)
    for bucket in s3.list_buckets()["Buckets"]:
        assert s3.get_bucket_tagging(Bucket=bucket["Name"])["TagSet"] == [{"Key": TAG, "Value": ID}]
        assert ID in bucket["Name"]
    assert [one["Tags"] for one in smoke.stacks.stacks.values()] == [NAMES.tags, NAMES.tags]


def test_a_promise_that_is_not_kept_or_not_known_stops_no_other(smoke: Smoked, monkeypatch: pytest.MonkeyPatch) -> None:
    throttled = ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "GetItem")
    failing(monkeypatch, "retags", NotSeen("waited 300 s for pushed"))
    failing(monkeypatch, "deletes", throttled)
    failing(monkeypatch, "measures", NotKnown("CloudWatch has no value"))
    document = report(smoke, MINE, code=1)
    found = verdicts(document)
    assert [name for name, verdict in found.items() if verdict == "not seen"] == ["retag", "delete"]
    assert (found["metrics"], found["promote"], found["removal"]) == ("not known", "seen", "seen")
    assert "Rate exceeded" in json.dumps(document)
    assert smoke.left() == set()


def test_what_is_not_known_alone_is_told_by_the_exit_code(smoke: Smoked, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "measures", NotKnown("CloudWatch has no value"))
    assert report(smoke, MINE, code=2)["verdict"] == "not known"


def test_after_a_deployment_that_failed_the_reason_is_told_and_all_is_removed(smoke: Smoked) -> None:
    smoke.stacks.ends_in[NAMES.stack("b")] = "ROLLBACK_COMPLETE"
    document = report(smoke, MINE, code=1)
    found = verdicts(document)
    assert (found["deploy"], found["push"], found["removal"]) == ("not seen", "not tried", "seen")
    assert "SyncFunction: the account has no executions left" in json.dumps(document)
    assert smoke.left() == set()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_interrupted_removes_what_it_made(
    smoke: Smoked, monkeypatch: pytest.MonkeyPatch, signal_number: int
) -> None:
    def interrupted(*_: object) -> str:
        signal.raise_signal(signal_number)
        return "not interrupted"

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Promises, "backfills", interrupted)
    # A process that a shell began in the background ignores SIGINT, and so would what the tests are run by.
    of_the_shell = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        found = verdicts(report(smoke, MINE, code=2))
    finally:
        signal.signal(signal.SIGINT, of_the_shell)
    assert (found["subscription"], found["backfill"], found["push"]) == ("seen", "not known", "not tried")
    assert found["removal"] == "seen"
    assert smoke.left() == set()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_fault_of_the_program_removes_what_was_made(smoke: Smoked, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "retags", ZeroDivisionError("a fault"))
    ended = smoke(MINE)
    assert isinstance(ended.exception, ZeroDivisionError)
    assert smoke.left() == set()


def test_what_a_run_left_that_was_killed_is_removed_by_its_id(smoke: Smoked, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = leftovers.remove
    failing(monkeypatch, "retags", SystemExit("killed"))  # as the process: no step takes it

    def dead(*_: object) -> list[leftovers.Leftover]:
        raise SystemExit("killed")

    monkeypatch.setattr(leftovers, "remove", dead)
    smoke(MINE)
    assert len(smoke.left()) == 8
    monkeypatch.setattr(leftovers, "remove", remove)
    smoke.registries.images = {NAMES.repository}
    document = report(smoke, "--remove", ID, code=0)
    assert verdicts(document) == {"removal": "seen"}
    assert smoke.left() == smoke.registries.images == set()


def test_a_run_that_dies_before_its_bucket_has_the_tag_has_it_named_and_left(
    smoke: Smoked, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name alone says little: somebody else may have made it."""
    boto3.client("s3", region_name=A).create_bucket(
        Bucket=NAMES.bucket("123456789012", A), CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    document = report(smoke, "--remove", ID, code=1)
    (left,) = document["left"]
    assert left["command"] == f"aws s3 rb --force s3://{NAMES.bucket('123456789012', A)}"
    assert "has no tag" in left["why"]
    assert smoke.left() == {NAMES.bucket("123456789012", A)}


def test_a_name_that_is_taken_has_it_make_and_remove_nothing(smoke: Smoked) -> None:
    smoke.stacks.make(A, NAMES.stack("a"), [{"Key": TAG, "Value": ID}])
    before = smoke.left()
    document = report(smoke, MINE, code=1)
    assert verdicts(document) == {"begin": "not seen"}
    assert "another run's, so nothing is done" in document["steps"][0]["seen"]
    assert smoke.left() == before


def test_a_resource_of_another_run_or_with_only_the_name_or_only_the_tag_is_untouched(smoke: Smoked) -> None:
    other = [{"Key": TAG, "Value": "fedcba9876"}]
    smoke.stacks.make(A, "geosync-smoke-fedcba9876-a", other)
    smoke.stacks.make(B, "geosync-dublin", NAMES.tags)  # the tag, not the name
    smoke.stacks.make(B, f"{NAMES.prefix}9-a", NAMES.tags)  # a longer id
    ecr, secrets = boto3.client("ecr", region_name=A), boto3.client("secretsmanager", region_name=B)
    ecr.create_repository(repositoryName=f"{NAMES.prefix}/app", tags=other)  # type: ignore[arg-type]
    ecr.create_repository(repositoryName="app", tags=NAMES.tags)  # type: ignore[arg-type]
    secrets.create_secret(Name=NAMES.secret, SecretString="{}")
    before = smoke.left()
    document = report(smoke, "--remove", ID, code=1)
    assert {one["what"] for one in document["left"]} == {
        f"ECR repository {NAMES.prefix}/app in {A}",
        f"secret {NAMES.secret} in {B}",
    }
    assert all("has no tag" in one["why"] for one in document["left"])
    assert smoke.left() == before


def test_a_resource_that_cannot_be_removed_is_named_with_the_command_and_stops_no_other_removal(smoke: Smoked) -> None:
    smoke.stacks.stays = {NAMES.stack("b")}
    smoke.registries.images, smoke.registries.keeps = {NAMES.repository}, True
    report(smoke, MINE, "--keep", code=1)  # its name is taken at the registry
    smoke.registries.images = set()
    report(smoke, MINE, "--keep", code=0)
    smoke.registries.images = {NAMES.repository}
    document = report(smoke, "--remove", ID, code=1)
    left = {one["what"]: one for one in document["left"]}
    assert left.keys() == {f"stack {NAMES.stack('b')} in {B}", f"images https://a.example.com/{NAMES.repository}"}
    stack = left[f"stack {NAMES.stack('b')} in {B}"]
    assert stack["command"] == f"aws cloudformation delete-stack --region {B} --stack-name {NAMES.stack('b')}"
    assert "DELETE_FAILED" in stack["why"]
    assert "405" in left[f"images https://a.example.com/{NAMES.repository}"]["why"]
    assert smoke.left() == {NAMES.stack("b")}
    shown = smoke("--remove", ID)
    assert stack["command"] in shown.stdout


def test_a_registry_that_cannot_be_searched_is_reported_and_stops_no_removal(
    smoke: Smoked, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(smoke, MINE, "--keep", code=0)

    smoke.registries.images = {NAMES.repository}
    images_left = smoke.registries.images_left

    def down(place: SmokePlace, side: str) -> Iterator[str]:
        if side == "b":
            raise RegistryUnavailable("b.example.com", "GET /v2/")
        return images_left(place, side)

    monkeypatch.setattr(smoke.registries, "images_left", down, raising=False)
    document = report(smoke, "--remove", ID, code=1)
    (left,) = document["left"]
    assert left["what"] == "images that nobody could look for at the secondary's registry"
    assert left["why"] == "cannot be looked for: b.example.com: GET /v2/: no response"
    assert smoke.left() == smoke.registries.images == set()
    assert verdicts(report(smoke, MINE, code=1)) == {"begin": "not seen"}
    assert smoke.left() == set()


def test_a_registry_that_is_down_hides_no_images_at_the_other(smoke: Smoked, monkeypatch: pytest.MonkeyPatch) -> None:
    smoke.registries.images = {NAMES.repository}
    images_left = smoke.registries.images_left

    def down(place: SmokePlace, side: str) -> Iterator[str]:
        if side == "a":
            raise RegistryUnavailable("a.example.com", "GET /v2/")
        return images_left(place, "a")  # the images are at the other side now

    monkeypatch.setattr(smoke.registries, "images_left", down, raising=False)
    (left,) = report(smoke, "--remove", ID, code=1)["left"]
    assert "at the primary's registry" in left["what"]
    assert smoke.registries.images == set()


@pytest.mark.parametrize("operation", ["DescribeStacks", "ListTables", "HeadBucket", "DeleteStack", "DeleteTable"])
def test_a_call_that_fails_in_passing_is_made_again(smoke: Smoked, operation: str) -> None:
    report(smoke, MINE, "--keep", code=0)
    smoke.refusals.left[operation] = "Throttling", 3
    assert report(smoke, "--remove", ID, code=0)["left"] == []
    assert smoke.left() == set()


@pytest.mark.parametrize(("operation", "times"), [("DescribeStacks", 1_000), ("DeleteStack", 1_000)])
def test_in_a_region_whose_stacks_may_run_nothing_else_is_removed(smoke: Smoked, operation: str, times: int) -> None:
    report(smoke, MINE, "--keep", code=0)
    before = smoke.left()
    smoke.refusals.left[operation] = "Throttling", times
    left = {one["what"]: one["why"] for one in report(smoke, "--remove", ID, code=1)["left"]}
    assert smoke.left() == before
    assert f"not now: {operation}" in " ".join(left.values())
    assert "may use it" in left[f"bucket {NAMES.bucket(ACCOUNT, A)} in {A}"]
    smoke.refusals.left.clear()
    assert report(smoke, "--remove", ID, code=0)["left"] == []
    assert smoke.left() == set()


def test_a_bucket_that_nobody_may_look_for_is_not_said_to_be_gone(smoke: Smoked) -> None:
    """S3 answers 403 to who lacks s3:ListBucket, as for another account's bucket."""
    report(smoke, MINE, "--keep", code=0)
    smoke.refusals.left["HeadBucket"] = "403", 1_000
    left = report(smoke, "--remove", ID, code=1)["left"]
    assert [one["what"] for one in left] == [f"bucket that nobody could look for in {region}" for region in (A, B)]
    assert all(one["why"].startswith("cannot be looked for: ") for one in left)
    assert smoke.left() == {NAMES.bucket(ACCOUNT, region) for region in (A, B)}


@pytest.mark.parametrize(
    ("operation", "code"),
    [("GetBucketTagging", "NoSuchBucket"), ("ListTagsForResource", "RepositoryNotFoundException")],
)
def test_a_resource_that_goes_between_two_calls_of_a_look_counts_as_gone(
    smoke: Smoked, operation: str, code: str
) -> None:
    report(smoke, MINE, "--keep", code=0)
    boto3.client("ecr", region_name=B).create_repository(repositoryName=NAMES.repository, tags=NAMES.tags)  # type: ignore[arg-type]
    smoke.refusals.left[operation] = code, 1_000
    assert report(smoke, "--remove", ID, code=0)["left"] == []


def test_a_secret_is_asked_for_by_its_name_as_the_list_is_minutes_behind(smoke: Smoked) -> None:
    secrets = boto3.client("secretsmanager", region_name=B)
    secrets.create_secret(Name=NAMES.secret, SecretString="{}", Tags=NAMES.tags)  # type: ignore[arg-type]
    smoke.refusals.left["ListSecrets"] = "AccessDeniedException", 1_000
    assert report(smoke, "--remove", ID, code=0)["left"] == []
    smoke.refusals.left.clear()
    assert smoke.left() == set()


def test_a_state_of_before_the_removal_ends_no_wait(smoke: Smoked) -> None:
    report(smoke, MINE, "--keep", code=0)
    smoke.stacks.stale_looks = 3
    assert report(smoke, "--remove", ID, code=0)["left"] == []
    assert smoke.left() == set()


def test_a_removal_wants_both_regions_and_says_where_it_looked(smoke: Smoked, monkeypatch: pytest.MonkeyPatch) -> None:
    with counted() as calls:
        ended = CliRunner().invoke(main, ["--region", A, "smoke", "--remove", ID])
    assert (ended.exit_code, dict(calls)) == (2, {})
    assert "cannot know where the secondary was: name --other-region" in ended.output
    monkeypatch.setattr(command, "_pair", pair)
    (step,) = report(smoke, "--remove", ID, code=0)["steps"]
    assert step["seen"].endswith(f"is left in {A} and {B}; no registry but Amazon ECR was looked at")


def test_a_stack_that_is_updated_just_now_is_removed_after_that(smoke: Smoked) -> None:
    """An interruption in the middle of promote leaves one."""
    report(smoke, MINE, "--keep", code=0)
    smoke.stacks.stacks[B, NAMES.stack("b")]["StackStatus"] = "UPDATE_IN_PROGRESS"
    smoke.stacks.updated = {NAMES.stack("b")}
    assert verdicts(report(smoke, "--remove", ID, code=0)) == {"removal": "seen"}
    assert smoke.left() == set()


def test_a_removal_that_is_interrupted_names_the_command_that_goes_on(
    smoke: Smoked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(leftovers, "remove", interrupted)
    ended = smoke(MINE)
    assert ended.exit_code == 2
    assert ended.stderr.count(f"geosync smoke --remove {ID}") == 2
    assert len(smoke.left()) == 8


def test_of_an_ecr_registry_all_is_made_with_the_tag_and_removed(smoke: Smoked) -> None:
    """What functions/sync makes has the tag by the secret that it is given."""
    boto3.client("ecr", region_name=B).create_repository(repositoryName=NAMES.repository, tags=NAMES.tags)  # type: ignore[arg-type]
    boto3.client("secretsmanager", region_name=B).create_secret(
        Name=NAMES.secret,
        SecretString="{}",
        Tags=NAMES.tags,  # type: ignore[arg-type]
    )
    assert verdicts(report(smoke, "--remove", ID, code=0)) == {"removal": "seen"}
    assert smoke.left() == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--remove", "geosync-smoke-1"), "no id of a run"),
        ((MINE, "--stack", "geosync-dublin"), "makes its own sites"),
        ((MINE, "--parameter", "SiteRole=primary"), "the run's to decide"),
        ((MINE, "--parameter", "Reads"), "is not NAME=VALUE"),
        ((MINE, "--primary-registry", "https://a.example.com"), "name both registries"),
        ((MINE, "--primary-secret", "arn"), "a secret is for a registry"),
        ((MINE, "--package", "/nowhere"), "there is no template-s3.yaml in /nowhere"),
    ],
)
def test_what_is_wrong_is_said_before_aws_is_asked(smoke: Smoked, arguments: tuple[str, ...], said: str) -> None:
    with counted() as calls:
        ended = smoke(*arguments)
    assert (ended.exit_code, said in ended.output, dict(calls)) == (2, True, {}), ended.output


def test_a_package_that_lacks_a_zip_is_refused(smoke: Smoked) -> None:
    (smoke.package / "functions-sync.zip").unlink()
    ended = smoke(MINE)
    assert (ended.exit_code, "not whole: functions-sync.zip" in ended.output) == (2, True)


def test_it_calls_what_the_page_says_and_nothing_else(smoke: Smoked, calls: list[tuple[str, str]]) -> None:
    smoke.stacks.ends_in[NAMES.stack("b")] = "ROLLBACK_COMPLETE"
    report(smoke, MINE, code=1)
    arranged = {"CreateTable", "TagResource", "UpdateTimeToLive", "HeadObject"}  # by the test, for the stacks
    found: dict[str, set[str]] = {}
    for service, operation in calls:
        if operation not in arranged:
            found.setdefault(service, set()).add(ACTIONS.get(operation, operation))
    rows = re.findall(r"^\| `([a-z0-9]+)` \| (`[A-Z].*`) \|$", PAGE.read_text(), re.MULTILINE)
    page = {service: set(re.findall(r"`(\w+)`", operations)) for service, operations in rows}
    for service in ("cloudformation", "s3", "dynamodb", "sts"):
        assert found[service] == page[service]
    assert {service for service, operations in found.items() if not operations <= page[service]} == set()
    assert {"InitiateLayerUpload", "PutImage", "GetDownloadUrlForLayer", "TagResource"} <= page["ecr"]


def test_the_page_has_every_step(smoke: Smoked) -> None:
    steps = [(step["name"], step["promise"]) for step in report(smoke, MINE, code=0)["steps"]]
    assert steps[0][0] == "begin"
    assert re.findall(r"^\| `([a-z ]+)` \| ([A-Za-z].*) \|$", PAGE.read_text(), re.MULTILINE) == steps[1:]
