"""Two real registries, a stack in moto that makes change sets, and a holder that brings what the primary has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from click.testing import Result
from local.registries import RunningRegistry
from tests.functional.cli.conftest import REGION, Site
from tests.support.images import ImageMaker, Made

from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry

TOPIC = "arn:aws:sns:eu-west-1:123456789012:geosync-dublin"
CHANGE_SET = {"StackName": "geosync-test", "ChangeSetName": "geosync-drill"}
ROLE_CHANGES = [
    {
        "Type": "Resource",
        "ResourceChange": {"Action": "Modify", "LogicalResourceId": "SyncFunction", "Replacement": "False"},
    }
]
BEGAN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UPDATE_S = 75


@dataclass
class ChangeSets:
    """CloudFormation as far as a drill asks it; it never has an update to execute."""

    state: str = "CREATE_COMPLETE"
    reason: str = ""
    error: Exception | None = None
    """What create_change_set ends with."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    left: int = 0
    """Change sets that are there now."""
    was_updated: bool = True

    def create_change_set(self, **asked: Any) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append(asked)
        assert self.left == 0
        self.left = 1

    def describe_change_set(self, **named: str) -> dict[str, Any]:
        assert named == CHANGE_SET
        return {"Status": self.state, "StatusReason": self.reason, "Changes": ROLE_CHANGES}

    def delete_change_set(self, **named: str) -> None:
        assert named == CHANGE_SET
        self.left = 0

    def get_paginator(self, operation: str) -> ChangeSets:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        stack = {"StackId": "id", "PhysicalResourceId": "id"}
        ended = BEGAN + timedelta(seconds=UPDATE_S)
        events = [
            {**stack, "ResourceStatus": "UPDATE_COMPLETE", "Timestamp": ended},
            {**stack, "PhysicalResourceId": "f", "ResourceStatus": "UPDATE_COMPLETE", "Timestamp": ended},
            {**stack, "ResourceStatus": "UPDATE_IN_PROGRESS", "Timestamp": BEGAN},
        ]
        return [{"StackEvents": events if self.was_updated else []}]


def denied(operation: str = "CreateChangeSet") -> ClientError:
    error: Any = {
        "Error": {"Code": "AccessDenied", "Message": f"not authorized to perform: cloudformation:{operation}"}
    }
    return ClientError(error, operation)


@dataclass(slots=True)
class Drilled:
    """A secondary whose registries are real, and what happens there during a drill.

    Repositories are named without the namespace of the test.
    """

    site: Site
    namespace: str
    make: ImageMaker
    primary: Registry
    secondary: Registry
    folder: Path
    """Of the secondary's registry."""
    lazy: bool = False
    """Nobody brings anything."""

    @classmethod
    @contextmanager
    def open(cls, site: Site, registries: tuple[RunningRegistry, RunningRegistry], namespace: str) -> Iterator[Drilled]:
        primary, secondary = (open_registry(one.url, None, deadline=Deadline(), writes=True) for one in registries)
        with closing(primary), closing(secondary), ImageMaker(registries[0].url, seed=time.time_ns()) as make:
            yield cls(site, namespace, make, primary, secondary, registries[1].folder)

    def drill(self, *options: str) -> Result:
        return self.site.run("drill", "--repository", self.named("canary"), *options)

    def document(self, *options: str, code: int | None = None) -> dict[str, Any]:
        """Carry out a drill; return its report."""
        ended = self.drill("--json", *options)
        assert code is None or ended.exit_code == code, ended.output
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    @property
    def sync_registry(self) -> SyncRegistry:
        return SyncRegistry(self.site.sync_registry._store, primary=TOPIC)

    def named(self, name: str) -> str:
        return f"{self.namespace}/{name}"

    def push(self, name: str, tag: str) -> Made:
        return self.make.image(self.named(name), tag, layers=1)

    def mark(self, name: str, tag: str) -> None:
        self.sync_registry.mark(self.named(name), Reference.tag(tag))

    @property
    def canary(self) -> str | None:
        """The canary at the primary."""
        found = self.primary.head_manifest(self.named("canary"), "frankfurt")
        return found.digest if found is not None else None

    def bring(self, name: str, tag: str) -> None:
        """Do what a holder does: copy a tag, and see it equal."""
        there, here = (Repository(one, self.named(name)) for one in (self.primary, self.secondary))
        manifest = there.get_manifest(tag)
        if self.lazy or manifest is None:
            return
        for blob in manifest.blobs:
            with there.open_blob(blob) as reader:
                here.put_small_blob(blob.digest, b"".join(iter(reader.read, b"")))
        here.put_manifest(tag, manifest)
        lease = self.sync_registry.acquire(self.named(name))
        assert lease is not None
        seen = Seen(digest=manifest.digest, looked_at=1, seen_at=1)
        self.sync_registry.record(lease, [(Reference.tag(tag), seen)])
        self.sync_registry.release(lease)

    def work_off(self, name: str) -> list[str]:
        """Do what a holder does with what is due in a repository; returns the tags in the order of its work."""
        sync_registry = self.sync_registry
        lease = sync_registry.acquire(self.named(name))
        assert lease is not None
        due = sync_registry.due(self.named(name))
        for owed in due:
            sync_registry.discharge(lease, owed, Seen(digest="sha256:a", looked_at=1, seen_at=1))
        assert sync_registry.finish(lease)
        return [owed.reference.value for owed in due]

    def damage(self, digest: str) -> None:
        """Change a byte of a blob in the secondary's storage."""
        (file,) = (self.folder / "data").rglob(f"sha256/*/{digest.removeprefix('sha256:')}/data")
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)

    def kept(self) -> Sequence[dict[str, Any]]:
        """The reports in the event log."""
        events = boto3.resource("dynamodb", region_name=REGION).Table(self.site.outputs["EventsTable"])
        return [one for one in events.scan()["Items"] if str(one["id"]).startswith("drill#")]

    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The whole table, without the canary's repository and what is kept of drills."""
        table = boto3.resource("dynamodb", region_name=REGION).Table(self.site.outputs["SyncRegistryTable"])
        found = {(str(one["repository"]), str(one["item"])): one for one in table.scan()["Items"]}
        ours = {("#drill", "drill"), ("#drill", "drilling")}
        return {key: one for key, one in found.items() if key not in ours and key[0] != self.named("canary")}
