"""geosync smoke is killed after any call that changes something: `--remove` finds what it left, and removes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore import handlers
from botocore.model import OperationModel
from tests.functional.cli.smoke.conftest import ACCOUNT, ID, NAMES, A, Smoked

from geosync.cli.smoke import command
from geosync.cli.smoke.promises import Promises

pair = command._pair
"""As it is: the fixture `smoke` has registries in the place of all."""


class Killed(SystemExit):
    """The process is killed."""


@dataclass
class Kill:
    """Kills a run after the nth call of an operation; from then on the run makes no call."""

    operation: str = ""
    passing: int = 0
    has_killed: bool = False
    calls: list[str] = field(default_factory=list)

    def note(self, model: OperationModel, **_: Any) -> None:
        self.calls.append(model.name)
        if model.name == self.operation:
            self.passing -= 1
            if self.passing < 0:
                self.has_killed = True
                raise Killed("killed")

    def refuse(self, **_: Any) -> None:
        if self.has_killed:
            raise Killed("killed")


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Kill:
    made = Kill()
    ours: list[Any] = [("before-call", made.refuse), ("after-call", made.note)]
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", [*handlers.BUILTIN_HANDLERS, *ours])
    return made


@pytest.fixture
def killed_smoke(kill: Kill, smoke: Smoked, monkeypatch: pytest.MonkeyPatch) -> Iterator[Smoked]:
    """The command with Amazon ECR, after the handlers that kill it are known."""
    monkeypatch.setattr(command, "_pair", pair)
    monkeypatch.setattr(Promises, "push_before", lambda promises: str(promises.registries.make()))
    yield smoke


@pytest.mark.parametrize(
    ("operation", "passing"),
    [
        *(("CreateSecret", 0), ("PutObject", 0), ("CreateStack", 0), ("CreateStack", 1), ("DeleteTable", 2)),
    ],
)
def test_what_it_had_made_by_then_is_removed_by_its_id(
    killed_smoke: Smoked, kill: Kill, operation: str, passing: int
) -> None:
    kill.operation, kill.passing = operation, passing
    ended = killed_smoke("--account-is-mine")
    assert isinstance(ended.exception, Killed), (ended.output, kill.calls)
    assert ID in ended.stderr, "the command that removes it is told before anything is made"
    kill.operation, kill.has_killed = "", False
    assert killed_smoke.left() != set()
    again = killed_smoke("--remove", ID, "-o", "json")
    assert (again.exit_code, json.loads(again.stdout)["left"]) == (0, []), again.output
    assert killed_smoke.left() == set()


def test_a_bucket_that_had_no_tag_yet_is_named_with_the_command_that_removes_it(
    killed_smoke: Smoked, kill: Kill
) -> None:
    """By its name alone it could be somebody else's."""
    kill.operation = "CreateBucket"
    assert isinstance(killed_smoke("--account-is-mine").exception, Killed)
    kill.operation, kill.has_killed = "", False
    again = killed_smoke("--remove", ID, "-o", "json")
    (left,) = json.loads(again.stdout)["left"]
    bucket = NAMES.bucket(ACCOUNT, A)
    assert (again.exit_code, left["command"]) == (1, f"aws s3 rb --force s3://{bucket}")
    boto3.client("s3", region_name=A).delete_bucket(Bucket=bucket)
    assert killed_smoke.left() == set()
