"""The role of docs/operations/drills.yaml may do what a drill does, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from tests.functional.cli.conftest import PlayedClock
from tests.functional.cli.drill.parts import Drilled
from tests.support.aws_actions import actions, partitions
from tests.support.drill_role import policy, statement
from tests.unit.template.parts import as_list

from geosync.sync_registry.items import SITE

PLAYED = {"DescribeStackEvents", "CreateChangeSet", "DeleteChangeSet", "DescribeChangeSet"}
"""What a double answers here (parts.ChangeSets). DescribeStacks finds the stack, which these tests give."""
FREE = {"sts:GetCallerIdentity"}
"""What needs no permission."""
ELSEWHERE = {"kms:Decrypt", "kms:GenerateDataKey", "s3:GetObject"}
"""What AWS asks for beside the calls of a drill: for tables under a key, and for the wheel."""
BY_CODEBUILD = ("logs:", "ec2:")
"""The services that CodeBuild itself calls for the project, with the role."""
TABLES = {"SyncRegistryTable": "-SyncRegistryTable-", "EventsTable": "-EventsTable-"}


class Calls:
    """The IAM actions that a drill needs, each of DynamoDB with its table, and the partitions that it writes to."""

    def __init__(self) -> None:
        self.actions: set[tuple[str, str]] = set()
        self.written: set[tuple[str, str]] = set()
        self.is_somebody_else = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note each call that is made in the block."""
        call = BaseClient._make_api_call  # type: ignore[attr-defined]

        def note(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
            if not self.is_somebody_else:
                self._note(client.meta.service_model.service_name, operation, parameters)
            return call(client, operation, parameters)

        with patch.object(BaseClient, "_make_api_call", note):
            yield

    def _note(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        for table in _tables(operation, parameters) if service == "dynamodb" else [""]:
            self.actions |= {(one, table) for one in actions(service, operation, parameters)}
            self.written |= {(table, one.split()[-1]) for one in partitions(service, operation, parameters)}


def _tables(operation: str, parameters: Mapping[str, Any]) -> set[str]:
    if operation == "TransactWriteItems":
        return {one["TableName"] for item in parameters["TransactItems"] for one in item.values()}
    return set(parameters.get("RequestItems", [parameters.get("TableName", "")]))


def drilled_twice(drilled: Drilled, clock: PlayedClock) -> Calls:
    """The calls of a first drill and of the next. While the command waits a holder works, whose calls are not noted."""
    calls, bring = Calls(), clock.meanwhile

    def meanwhile() -> None:
        calls.is_somebody_else = True
        bring()
        calls.is_somebody_else = False

    clock.meanwhile = meanwhile
    with calls.noted():
        drilled.document("--push-secret", "no-such-secret", code=2)
        drilled.document(code=0)
    return calls


def test_the_role_of_the_schedule_may_do_what_a_drill_does_and_nothing_else(
    drilled: Drilled, clock: PlayedClock
) -> None:
    calls = drilled_twice(drilled, clock)
    names = {drilled.site.outputs[output]: part for output, part in TABLES.items()}
    used = {(action, names.get(table, "")) for action, table in calls.actions if action not in FREE}
    used |= {(f"cloudformation:{name}", "") for name in (*PLAYED, "DescribeStacks")} | {(one, "") for one in ELSEWHERE}
    document = policy(stack="geosync-test", region="eu-west-1", account="111122223333", secrets=["a", "b"])
    allowed = {(action, _table(one)) for one in document["Statement"] for action in as_list(one["Action"])}
    assert {one for one in allowed if not one[0].startswith(BY_CODEBUILD)} == used
    for sid, table in (("NoteTheDrill", "SyncRegistryTable"), ("WriteItDown", "EventsTable")):
        written = {key for name, key in calls.written if names.get(name) == TABLES[table]}
        assert written
        assert {key for key in written if not _lets(document, sid, key)} == set()


def test_the_role_of_the_schedule_makes_no_token_and_changes_no_record_of_others(drilled: Drilled) -> None:
    drilled.sync_registry.pause("storage is moved")
    assert drilled.site.run("resume").exit_code == 0
    (other,) = [one["id"] for one in drilled.site.audit()]
    document = policy(stack="geosync-test", region="eu-west-1", account="111122223333", secrets=["a", "b"])
    writes = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")
    writing = [one["Sid"] for one in document["Statement"] if {*writes} & {*as_list(one["Action"])}]
    assert writing == ["NoteTheDrill", "WriteItDown", "WriteDownTheEnd"]
    for key in (SITE, "group/app", other, "audit#0123", "audit#discarded-1", "audit#refused-1-POST", "an-event"):
        assert [sid for sid in writing if _lets(document, sid, key)] == [], key


def _lets(document: dict[str, Any], sid: str, key: str) -> bool:
    """True where a statement lets an item with this partition key be written."""
    (patterns,) = [next(iter(one.values())) for one in statement(document, sid)["Condition"].values()]
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def _table(of: Mapping[str, Any]) -> str:
    return next((part for part in TABLES.values() if any(part in one for one in as_list(of["Resource"]))), "")
