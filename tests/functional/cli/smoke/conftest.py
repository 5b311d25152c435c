"""An account in which geosync smoke runs: CloudFormation as far as it is asked, everything else of AWS by moto.

Each call passes botocore's own check of its parameters before it is answered, here and by moto.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import handlers
from botocore.model import OperationModel
from click.testing import CliRunner, Result
from local import short_forms
from release import ROOT
from release import template as templates
from tests.functional.cli.conftest import PlayedClock
from tests.support.event_log import create_event_log

from geosync.cli.main import main
from geosync.cli.site import StackSite
from geosync.cli.smoke import command
from geosync.cli.smoke.names import SmokeNames, SmokePlace
from geosync.cli.smoke.promises import Promises
from geosync.cli.smoke.registries import Happening
from geosync.registries.registry import Registry
from geosync.sync_registry.table import tables

A, B = "eu-west-1", "us-west-2"
ID = "0123456789"
NAMES = SmokeNames(ID)
ACCOUNT = "123456789012"
LOOKS = (
    *("push_before", "follows", "backfills", "replicates", "retags", "deletes", "recovers", "measures"),
    *("promotes", "publishes"),
)


@dataclass
class Stacks:
    """CloudFormation: what it is asked, and the stacks that it has, by region and name."""

    template: Mapping[str, Any]
    stacks: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    ends_in: dict[str, str] = field(default_factory=dict)
    """The state in which the creation of a stack ends."""
    stays: set[str] = field(default_factory=set)
    """Stacks that cannot be deleted."""
    updated: set[str] = field(default_factory=set)
    """Stacks whose update ends while somebody waits for it."""
    stale_looks: int = 0
    """So many looks after DeleteStack find the state of before."""
    _deleted: dict[tuple[str, str], int] = field(default_factory=dict)

    def note(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = params

    def answer(self, model: OperationModel, context: Mapping[str, Any], **_: Any) -> Any:
        asked, region = context["asked"], context["client_region"]
        if "StackName" in asked:  # an id is as good
            asked = {**asked, "StackName": asked["StackName"].split(":stack/")[-1].removesuffix("/1")}
        error, parsed = getattr(self, f"_{model.name}")(region, **asked)
        if error:
            return refusal(*error)
        about = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RequestId": "r", "RetryAttempts": 0}
        return SimpleNamespace(status_code=200, headers={}), {**parsed, "ResponseMetadata": about}

    def make(self, region: str, name: str, tags: list[dict[str, str]]) -> None:
        """A stack with its two tables, which outlive it."""
        self.stacks[region, name] = {
            "StackName": name,
            "StackId": f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/1",
            "CreationTime": datetime.now(UTC),
            "StackStatus": self.ends_in.get(name, "CREATE_COMPLETE"),
            "Tags": tags,
        }
        client = boto3.client("dynamodb", region_name=region)
        tables.create(client, f"{name}-SyncRegistryTable-1")
        create_event_log(client, f"{name}-EventsTable-1")
        for table in ("SyncRegistryTable", "EventsTable"):
            arn = client.describe_table(TableName=f"{name}-{table}-1")["Table"]["TableArn"]
            client.tag_resource(ResourceArn=arn, Tags=tags)  # type: ignore[arg-type]

    def _CreateStack(self, region: str, **asked: Any) -> Any:  # noqa: N802
        name = asked["StackName"]
        if self._is_there(region, name):
            return ("AlreadyExistsException", f"Stack [{name}] already exists"), {}
        self._check(region, asked)
        self.make(region, name, asked["Tags"])
        return None, {"StackId": self.stacks[region, name]["StackId"]}

    def _check(self, region: str, asked: Mapping[str, Any]) -> None:
        """The template is where its URL says, with its code, and takes the parameters."""
        found = re.fullmatch(rf"https://s3\.{region}\.amazonaws\.com/([^/]+)/(.+)", asked["TemplateURL"])
        assert found is not None, asked["TemplateURL"]
        there = boto3.client("s3", region_name=region)
        there.head_object(Bucket=found[1], Key=found[2])
        given = {one["ParameterKey"]: one["ParameterValue"] for one in asked["Parameters"]}
        keys = {one["Key"] for one in there.list_objects_v2(Bucket=given["CodeBucket"])["Contents"]}
        assert {key.removeprefix(given["CodePrefix"]) for key in keys} >= {"template-s3.yaml", "functions-sync.zip"}
        for name, value in given.items():
            known = self.template["Parameters"][name]
            assert re.fullmatch(known.get("AllowedPattern", ".*"), value), (name, value)
            assert value in known.get("AllowedValues", [value]), (name, value)
        needed = {name for name, one in self.template["Parameters"].items() if "Default" not in one}
        assert needed <= given.keys()
        assert asked["Capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

    def _DescribeStacks(self, region: str, StackName: str = "", **_: Any) -> Any:  # noqa: N802, N803
        if StackName and not self._is_there(region, StackName):
            return ("ValidationError", f"Stack with id {StackName} does not exist"), {}
        for key in [key for key in self._deleted if key == (region, StackName)]:
            self._deleted[key] -= 1
            if self._deleted[key] < 0:
                self._end(key)
        for name in self.updated & {StackName}:
            self.stacks[region, name]["StackStatus"] = "UPDATE_COMPLETE"  # by the time somebody asks for it
        found = [one for (where, name), one in self.stacks.items() if where == region and StackName in ("", name)]
        return None, {"Stacks": found}

    def _DescribeStackEvents(self, region: str, StackName: str, **_: Any) -> Any:  # noqa: N802, N803
        event = {
            "StackId": self.stacks[region, StackName]["StackId"],
            "LogicalResourceId": "SyncFunction",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "the account has no executions left",
        }
        return None, {"StackEvents": [event]}

    def _DeleteStack(self, region: str, StackName: str) -> Any:  # noqa: N802, N803
        if self.stacks[region, StackName]["StackStatus"] == "UPDATE_IN_PROGRESS":
            return ("ValidationError", f"Stack:{StackName} is in UPDATE_IN_PROGRESS state and can not be deleted"), {}
        self._deleted[region, StackName] = self.stale_looks
        if not self.stale_looks:
            self._end((region, StackName))
        return None, {}

    def _end(self, key: tuple[str, str]) -> None:
        """End the removal of a stack."""
        del self._deleted[key]
        self.stacks[key]["StackStatus"] = "DELETE_FAILED" if key[1] in self.stays else "DELETE_COMPLETE"

    def _is_there(self, region: str, name: str) -> bool:
        return (region, name) in self.stacks and self.stacks[region, name]["StackStatus"] != "DELETE_COMPLETE"


def refusal(code: str, text: str) -> Any:
    """An error, as botocore has it from the wire."""
    about = {"HTTPStatusCode": 400, "HTTPHeaders": {}, "RequestId": "r", "RetryAttempts": 0}
    error = {"Code": code, "Message": text, "Type": "Sender"}
    return SimpleNamespace(status_code=400, headers={}), {"Error": error, "ResponseMetadata": about}


@dataclass
class Refusals:
    """The operations that AWS refuses, each with a code, and for how many calls."""

    left: dict[str, tuple[str, int]] = field(default_factory=dict)

    def answer(self, model: OperationModel, **_: Any) -> Any:
        """The error that refuses a call, None where the call goes on."""
        code, times = self.left.get(model.name, ("", 0))
        if times <= 0:
            return None
        self.left[model.name] = code, times - 1
        return refusal(code, f"not now: {model.name}")


@dataclass
class PlayedRegistries:
    """Two registries, of which only their images matter here."""

    images: set[str] = field(default_factory=set)
    keeps: bool = False
    words: str = "two registries"
    looked_at: str = "two regions"
    are_one: bool = False

    def make(self) -> None:
        pass

    def parameters(self, side: str) -> dict[str, str]:
        found = {"LocalRegistryUrl": f"https://{side}.example.com"}
        return found | ({"PrimaryRegistryUrl": "https://a.example.com"} if side == "b" else {})

    def open(self, side: str) -> Registry:
        raise NotImplementedError

    def announce(self, site: StackSite, happening: Happening) -> None:
        pass

    def images_left(self, place: SmokePlace, side: str) -> Iterator[str]:
        yield from sorted(self.images) if side == "a" else ()

    def remove_images(self, side: str, repository: str) -> None:
        if self.keeps:
            raise OSError("405 UNSUPPORTED")
        self.images.discard(repository)


@dataclass
class Smoked:
    """Runs the command in the account."""

    stacks: Stacks
    registries: PlayedRegistries
    package: Path
    refusals: Refusals

    def __call__(self, *arguments: str) -> Result:
        line = ["--region", A, "smoke", "--other-region", B, "--package", str(self.package), *arguments]
        return CliRunner().invoke(main, line)

    def left(self) -> set[str]:
        """The names of all that is in the account."""
        found = {name for (_, name), one in self.stacks.stacks.items() if one["StackStatus"] != "DELETE_COMPLETE"}
        for region in (A, B):
            found |= set(boto3.client("dynamodb", region_name=region).list_tables()["TableNames"])
            found |= {
                one["Name"] for one in boto3.client("secretsmanager", region_name=region).list_secrets()["SecretList"]
            }
            found |= {
                one["repositoryName"]
                for one in boto3.client("ecr", region_name=region).describe_repositories()["repositories"]
            }
        return found | {one["Name"] for one in boto3.client("s3", region_name=A).list_buckets()["Buckets"]}


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of today's template, with zips that nobody runs."""
    source, folder = (ROOT / "template.yaml").read_text(), tmp_path_factory.mktemp("package")
    zips = {code: f"{code.replace('/', '-')}.zip" for code in templates.code_folders(source)}
    for name in zips.values():
        (folder / name).write_bytes(b"PK")
    (folder / "template-s3.yaml").write_text(templates.with_zips_in_a_bucket(source, zips))
    return folder


@pytest.fixture(scope="session")
def template(packed: Path) -> dict[str, Any]:
    """The package's template as data: to read it takes half a second."""
    return short_forms.load(packed / "template-s3.yaml")


@pytest.fixture
def package(packed: Path, tmp_path: Path) -> Path:
    """A package of one's own."""
    return Path(shutil.copytree(packed, tmp_path / "package"))


@pytest.fixture
def calls() -> list[tuple[str, str]]:
    """Service and operation of each call; botocore's model checks each before it is answered."""
    return []


@pytest.fixture
def smoke(
    package: Path,
    template: dict[str, Any],
    calls: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Smoked:
    """The command, with looks that all succeed."""
    stacks, refusals, clock = Stacks(template), Refusals(), PlayedClock()

    def note(model: OperationModel, **_: Any) -> None:
        calls.append((model.service_model.service_name, model.name))

    ours: list[Any] = [
        ("before-parameter-build.cloudformation", stacks.note),
        ("before-parameter-build", note),
        ("before-call.cloudformation", lambda model, **more: refusals.answer(model) or stacks.answer(model, **more)),
        ("before-call", refusals.answer),
    ]
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", [*handlers.BUILTIN_HANDLERS, *ours])
    request.getfixturevalue("aws")  # the clients are made after the handlers are known
    registries = PlayedRegistries()
    monkeypatch.setattr(command, "_pair", lambda *_: registries)
    monkeypatch.setattr(SmokeNames, "new", classmethod(lambda cls: cls(ID)))
    monkeypatch.setattr(SmokePlace, "clock", clock)  # no test waits
    for name in LOOKS:
        monkeypatch.setattr(Promises, name, lambda *_: "as promised")
    return Smoked(stacks, registries, package, refusals)
