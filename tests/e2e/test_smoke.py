"""geosync smoke on the local stack: all of it but Amazon ECR and the metrics, and nothing is left behind."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from local.emulator import RunningEmulator
from local.processes import free_port
from local.registries import RegistrySpec, RunningRegistry, start
from local.stack import Stack
from local.wiring import PACE
from tests.e2e.command import run_preloaded
from tests.e2e.parts import let_a_minute_pass

REGIONS = ("eu-west-1", "us-west-2")
EVERY_S = 4.0


@pytest.fixture
def registries(tmp_path: Path) -> Iterator[list[RunningRegistry]]:
    """Two registries without notifications or sites."""
    with ExitStack() as running:
        made = [start(RegistrySpec(name=name, port=free_port()), tmp_path / name) for name in ("first", "second")]
        for one in made:
            running.callback(one.stop)
        yield made


def reconciling(emulator: RunningEmulator) -> Iterator[tuple[str, str, str]]:
    """The throw-away sites that are there: region, functions/reconcile, and sync registry."""
    for region in REGIONS:
        functions = emulator.client("lambda", region).list_functions()["Functions"]
        tables = emulator.client("dynamodb", region).list_tables()["TableNames"]
        for function in (one["FunctionName"] for one in functions):
            if re.fullmatch(r"geosync-smoke-.*-reconcile", function):
                for table in (one for one in tables if re.match(r"geosync-smoke-.*-SyncRegistryTable", one)):
                    yield region, function, table


@contextmanager
def hurried(emulator: RunningEmulator) -> Iterator[None]:
    """Run the minutes of the throw-away sites every few seconds, and make each heartbeat a minute old by the next."""
    ended = threading.Event()

    def hurry() -> None:
        sites: set[tuple[str, str, str]] = set()
        while not ended.wait(EVERY_S):
            with suppress(BotoCoreError, ClientError):
                if len(sites) < len(REGIONS):
                    sites |= set(reconciling(emulator))
                for region, function, table in sites:
                    let_a_minute_pass(emulator.client("dynamodb", region), table)
                    emulator.client("lambda", region).invoke(FunctionName=function, Payload=b"{}")

    thread = threading.Thread(target=hurry)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def things(emulator: RunningEmulator) -> set[str]:
    """The names of a run of smoke's, of all kinds that it may make in the account.

    Others make buckets and roles beside it, which belong to no region.

    But for log groups: the emulator makes one anew for an invocation that outlives its stack. On AWS no role may.
    """
    found = {one["Name"] for one in emulator.client("s3", REGIONS[0]).list_buckets()["Buckets"]}
    for region in REGIONS:
        stacks = emulator.client("cloudformation", region).describe_stacks()["Stacks"]
        found |= {one["StackName"] for one in stacks if one["StackStatus"] != "DELETE_COMPLETE"}
        found |= set(emulator.client("dynamodb", region).list_tables()["TableNames"])
        found |= {one["Name"] for one in emulator.client("secretsmanager", region).list_secrets()["SecretList"]}
        found |= {one["FunctionName"] for one in emulator.client("lambda", region).list_functions()["Functions"]}
        topics = emulator.client("sns", region).list_topics()["Topics"]
        found |= {one["TopicArn"] for one in topics}
        found |= {one["RoleName"] for one in emulator.client("iam", region).list_roles()["Roles"]}
    return {one for one in found if "smoke-" in one}


def test_all_promises_but_the_metrics_are_seen_and_nothing_is_left(
    stack: Stack, state: Path, built: Path, registries: list[RunningRegistry]
) -> None:
    given = [f"--parameter={name}={value}" for name, value in PACE.items() if name != "Reads"]
    with hurried(stack.emulator):
        ended = run_preloaded(
            [
                *("--local", "dublin", "--local-state", str(state), "smoke", "--account-is-mine", "-o", "json"),
                *("--package", str(built / "package"), "--other-region", REGIONS[1], "--metrics-timeout", "0s"),
                *("--primary-registry", registries[0].url, "--secondary-registry", registries[1].url),
                *given,
            ]
        )
    assert ended.output, ended.error
    report = json.loads(ended.output)
    verdicts = {step["name"]: step["verdict"] for step in report["steps"]}
    assert {name for name, verdict in verdicts.items() if verdict != "seen"} == {"metrics"}, ended.error
    # local/README.md, emf-metrics: CloudWatch knows none of a function's own here.
    assert (verdicts["metrics"], report["verdict"], ended.code) == ("not known", "not known", 2)
    assert {"backfill", "push", "retag", "delete", "promote", "publish", "removal"} <= verdicts.keys()
    assert report["left"] == []
    assert things(stack.emulator) == set()
    assert "Traceback" not in ended.error
