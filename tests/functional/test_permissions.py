"""Each function's role allows what the functional tests saw it use, and nothing else.

`make test-fast` has its run of them note that, and hands the notes over in AWS_ACTIONS; without it they run once more.
Whether it may use it on the right resources is what the deployed stack shows, where the emulator enforces the policies.
"""

import os
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from tests.support.aws_actions import KEYS, seen
from tests.unit.template.parts import FUNCTIONS, ROOT, actions, as_list, refers_to, statements

# Used by Lambda itself in the function's name: its log, its event sources, its network interface, its destination of
# what failed, its traces. No test sees that.
BY_LAMBDA = {
    "WriteItsLog",
    "TakeMessages",
    "KeepItsNetworkInterface",
    "LeaveItToLambda",
    "KeepFailedEvents",
    "SendTraces",
}
# Asked for by ECR of who speaks the registry's own API to it.
BY_ECR = {"PushToEcr", "PullFromEcr"}
# Used by SNS and other services in the function's name, with a key of one's own.
BY_SERVICES = {
    "UseTheTopicsKey",
    "UseTheKey",
    "UseTheKeyForArrivals",
    "DecryptThePrimarysLayers",
    "EncryptLayers",
}
NAMES = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The actions that each function asked for, in a run of the functions' own functional tests."""
    if noted := os.environ.get("AWS_ACTIONS"):
        return seen(Path(noted))
    folder = tmp_path_factory.mktemp("actions")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.aws_actions", "--aws-actions", str(folder)]
    command += ["-p", "no:cacheprovider", *(str(Path(__file__).parent / name) for name in NAMES)]
    command += ["--ignore-glob", "*/test_speed_*", "--ignore-glob", "*/test_sources.py"]  # the same calls, many times
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stdout[-3000:]  # a test that fails does so in the run of its own as well
    return seen(folder)


def allowed(function: str) -> set[str]:
    role = FUNCTIONS[f"{function.title().replace('_', '')}Function"]["Role"]["Fn::GetAtt"][0]
    return {
        action
        for statement in statements(role)
        if statement["Sid"] not in BY_LAMBDA | BY_SERVICES | BY_ECR
        for action in actions(statement)
    }


def lets(statement: dict[str, Any], written: str) -> bool:
    """Whether IAM lets a function write to a partition by a statement. Neither moto nor the emulator asks."""
    action, key, partition = written.split(" ", 2)
    table = {"repository": "SyncRegistryTable", "id": "EventsTable"}[key]
    if action not in actions(statement) or not any(refers_to(one, table) for one in as_list(statement["Resource"])):
        return False
    for kind, keys in statement.get("Condition", {}).items():
        patterns = keys["dynamodb:LeadingKeys"]
        if kind == "ForAllValues:StringEquals":
            fits = partition in patterns
        elif kind == "ForAllValues:StringLike":
            fits = any(fnmatchcase(partition, pattern) for pattern in patterns)
        else:
            assert kind == "ForAllValues:StringNotLike", kind
            fits = not any(fnmatchcase(partition, pattern) for pattern in patterns)
        if not fits:
            return False
    return True


@pytest.mark.parametrize("function", NAMES)
def test_a_function_may_write_to_the_partitions_that_it_writes_to(function: str, used: dict[str, set[str]]) -> None:
    role = FUNCTIONS[f"{function.title().replace('_', '')}Function"]["Role"]["Fn::GetAtt"][0]
    written = used.get(f"{function}{KEYS}", set())
    assert [one for one in sorted(written) if not any(lets(statement, one) for statement in statements(role))] == []


def test_partitions_with_a_condition_are_among_those_that_are_written_to(used: dict[str, set[str]]) -> None:
    for function, written in (
        ("admin", "dynamodb:DeleteItem repository #site"),
        ("admin", "dynamodb:PutItem id audit#"),
        ("sync", "dynamodb:BatchWriteItem repository blob#"),
        ("sync", "dynamodb:BatchWriteItem repository #outbox"),
        ("reconcile", "dynamodb:BatchWriteItem repository #outbox"),
        ("notifications", "dynamodb:BatchWriteItem id "),
    ):
        assert [one for one in used[f"{function}{KEYS}"] if one.startswith(written)], (function, written)


@pytest.mark.parametrize("function", NAMES)
def test_a_function_may_do_what_it_does_and_nothing_else(function: str, used: dict[str, set[str]]) -> None:
    assert used.get(function), f"no test in tests/functional/{function} made {function} call AWS"
    assert allowed(function) == used[function]
