"""Real HTTP to a stub of AWS: the endpoint's calls, and its answers when AWS is late, partial or down.

No verdict depends on seconds: calls are counted, and CPU time is compared with that of importing boto3 in the same
process. The seconds are in `make bench` (bench/endpoint.py).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from functions.notifications import app
from tests.functional.notifications.parts import ENVIRONMENT, ROOT, Post, StubAws, sample
from tests.support.patience import PATIENCE_S
from tests.unit.template.parts import RESOURCES

from geosync.notifications.publish import ITEM_CALLS_AT_ONCE, MESSAGE_CALLS_AT_ONCE

Log = Callable[[], list[dict[str, Any]]]


def events(number: int) -> list[dict[str, Any]]:
    push = sample("distribution-push-tag.json")
    return [push | {"id": f"event-{one}"} for one in range(number)]


@pytest.fixture
def patient(environment: pytest.MonkeyPatch) -> None:
    """Clients that wait for their answers however busy this machine is."""
    environment.setattr(app, "AWS_CALLS", app.AWS_CALLS.merge(Config(connect_timeout=60, read_timeout=60)))


@pytest.fixture
def impatient(stub: StubAws, patient: None, post: Post, environment: pytest.MonkeyPatch) -> None:
    """Clients of event log and topic that soon give up: a hanging call is seen in tenths of a second."""
    assert post(sample("distribution-pull.json"))[0] == 200  # the token is known, as in a warm environment
    environment.setattr(app, "AWS_CALLS", app.AWS_CALLS.merge(Config(read_timeout=0.2)))


def test_500_events_take_70_calls_of_which_17_run_at_once(stub: StubAws, patient: None, post: Post) -> None:
    post(*events(1))  # the token is known, as in a warm environment
    at_once = ITEM_CALLS_AT_ONCE + MESSAGE_CALLS_AT_ONCE + 1
    stub.behave(together=at_once)  # were they fewer, none would be answered
    assert post(*events(500))[0] == 200
    counts = stub.counts()
    assert (counts["messages"], counts["items"]) == (500, 500)
    assert (counts["PublishBatch"], counts["BatchWriteItem"]) == (50, 20)
    assert counts["most_at_once"] == at_once == 17
    assert "GetSecretValue" not in counts


def test_one_push_takes_one_call_each_side_by_side(stub: StubAws, patient: None, post: Post) -> None:
    post(*events(1))
    stub.behave(together=2)
    assert post(*events(1))[0] == 200
    counts = stub.counts()
    assert (counts["PublishBatch"], counts["BatchWriteItem"]) == (1, 1)
    assert "GetSecretValue" not in counts


def test_connections_are_kept(stub: StubAws, patient: None, post: Post) -> None:
    post(*events(1))
    before = stub.counts()["connections"]
    for _ in range(20):
        post(*events(1))
    assert stub.counts()["connections"] - before <= 2  # the two questions of this test


@pytest.mark.parametrize("operation", ["BatchWriteItem", "PublishBatch"])
def test_if_one_of_both_fails_it_is_503_and_the_other_is_written_all_the_same(
    stub: StubAws, patient: None, post: Post, log: Log, operation: str
) -> None:
    stub.behave(failing=[operation])
    assert post(*events(3))[0] == 503
    other = {"BatchWriteItem": "messages", "PublishBatch": "items"}[operation]
    assert stub.counts()[other] == 3
    assert log()[-1]["message"] == "notification_failed"
    stub.behave()
    assert post(*events(3))[0] == 200
    assert (stub.counts()["messages"], stub.counts()["items"]) == (3, 3)


@pytest.mark.parametrize("operation", ["BatchWriteItem", "PublishBatch"])
def test_however_many_events_a_failure_of_one_leaves_out_none_of_the_other(
    stub: StubAws, patient: None, post: Post, operation: str
) -> None:
    stub.behave(failing=[operation])
    assert post(*events(500))[0] == 503
    assert stub.counts()[{"BatchWriteItem": "messages", "PublishBatch": "items"}[operation]] == 500


def test_a_message_that_the_topic_refuses_is_503(stub: StubAws, patient: None, post: Post, log: Log) -> None:
    stub.behave(refused=1)
    assert post(*events(25))[0] == 503
    assert "InternalError" in log()[-1]["reason"]
    assert post(*events(25))[0] == 200


def test_what_the_event_log_leaves_is_written_again(stub: StubAws, patient: None, post: Post) -> None:
    stub.behave(unprocessed=3)
    assert post(*events(25))[0] == 200
    counts = stub.counts()
    assert (counts["BatchWriteItem"], counts["items"]) == (4, 28)


def test_an_event_log_that_leaves_items_again_and_again_is_503(stub: StubAws, patient: None, post: Post) -> None:
    stub.behave(unprocessed=100)
    assert post(*events(1))[0] == 503
    assert stub.counts()["BatchWriteItem"] == 4


def test_a_call_that_hangs_ends_and_nothing_goes_on_behind_the_answer(
    stub: StubAws, impatient: None, post: Post
) -> None:
    stub.behave(hanging=["PublishBatch"])
    assert post(*events(1))[0] == 503
    ended = time.monotonic() + PATIENCE_S
    while stub.counts()["PublishBatch"] < 2 and time.monotonic() < ended:
        time.sleep(0.01)  # what was sent is counted when the stub gets to it
    time.sleep(0.3)
    assert stub.counts()["PublishBatch"] == 2


def test_a_call_that_hangs_ends_under_the_function_s_timeout() -> None:
    config: Any = app.AWS_CALLS
    attempts = config.retries["total_max_attempts"]
    longest_pause = 1  # of botocore's standard mode before a second attempt: 2 ** 0 s at most
    worst = attempts * (config.connect_timeout + config.read_timeout) + (attempts - 1) * longest_pause
    timeout = RESOURCES["NotificationsFunction"]["Properties"]["Timeout"]
    assert 2 * config.read_timeout < worst < timeout


def test_after_a_failure_what_has_not_begun_is_left_out(stub: StubAws, impatient: None, post: Post) -> None:
    stub.behave(hanging=["PublishBatch", "BatchWriteItem"])
    assert post(*events(500))[0] == 503
    # Of 70 calls 16 have begun and the one made here, twice each.
    assert sum(stub.counts()[name] for name in ("PublishBatch", "BatchWriteItem")) <= 40


def test_a_secret_store_that_is_down_is_503_and_the_next_request_asks_again(
    stub: StubAws, patient: None, post: Post
) -> None:
    stub.behave(failing=["GetSecretValue"])
    assert post(*events(1))[0] == 503
    stub.behave()
    assert post(*events(1))[0] == 200
    assert stub.counts()["GetSecretValue"] == 2


def run(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter that sees the library, as Lambda's does, and nothing of this process."""
    environment = {"PYTHONPATH": f"{ROOT / 'layers' / 'geosync'}:{ROOT / 'functions' / 'notifications'}"} | environment
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


CPU = """
import time
import boto3
of_boto3 = time.process_time()
{before}
started = time.process_time()
{code}
print()
print((time.process_time() - started) / of_boto3)
"""


def cost(code: str, *, before: str = "", at_most: float, **environment: str) -> float:
    """CPU time of code after `before`, in that of starting an interpreter and importing boto3 in the same process.

    Whatever else the machine does only adds, to either: the first of a few that is at most `at_most`, else the least.
    """
    ratios: list[float] = []
    while len(ratios) < 10 and not (ratios and ratios[-1] <= at_most):
        ratios.append(float(run(CPU.format(before=before, code=code), **environment).splitlines()[-1]))
    return min(ratios)


def test_imports_cost_at_most_half_as_much_again_as_boto3() -> None:
    assert cost("import app", at_most=0.5) <= 0.5


def test_nothing_heavy_is_imported() -> None:
    heavy = ("requests", "cryptography", "jwt", "geosync.oci.client", "geosync.sync_registry")
    loaded = run("import app, sys; print(*sys.modules)").split()
    assert not [name for name in heavy if name in loaded]


@pytest.mark.parametrize(
    ("source", "loads_both"), [("distribution", False), ("ghcr", False), ("zot", False), ("gar", True)]
)
def test_what_checks_google_s_tokens_is_loaded_at_the_start_and_only_for_google(
    stub: StubAws, source: str, loads_both: bool
) -> None:
    environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": stub.url, "AWS_LAMBDA_FUNCTION_NAME": "notifications"}
    environment |= {"NOTIFICATION_SOURCE": source, "NOTIFICATION_AUDIENCE": "here", "NOTIFICATION_SENDER": "somebody"}
    loaded = run("import app, sys; print(*sys.modules)", **environment).split()
    assert ("jwt" in loaded, "requests" in loaded) == (loads_both, loads_both)


def test_a_client_is_made_only_when_it_is_needed(stub: StubAws, post: Post) -> None:
    assert post(sample("distribution-pull.json"))[0] == 200
    assert set(vars(app.endpoint())) == {"settings", "metrics", "authorization", "source"}


COLD = f"""
import app, json, pathlib, types
from botocore.config import Config
app.AWS_CALLS = app.AWS_CALLS.merge(Config(connect_timeout=60, read_timeout=60))  # no call is repeated
path = pathlib.Path({str(ROOT / "events" / "functions" / "notifications-push.json")!r})
request = json.loads(path.read_text())
request["headers"]["Authorization"] = "stub-token"
answer = app.handler(request, types.SimpleNamespace(aws_request_id="r"))
assert answer["statusCode"] == 200, answer
"""
MANY = """
(event,) = json.loads(request["body"])["events"]
request["body"] = json.dumps({"events": [event | {"id": f"event-{one}"} for one in range(500)]})
"""
HANDLE = """
answer = app.handler(request, types.SimpleNamespace(aws_request_id="r"))
assert json.loads(answer["body"])["accepted"] == 500, answer
"""


def test_the_cold_path_is_four_calls_and_some_boto3_more(stub: StubAws) -> None:
    environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": stub.url, "AWS_LAMBDA_FUNCTION_NAME": "notifications"}
    before = stub.counts()["connections"]
    run(COLD, **environment)
    counts = stub.counts()
    calls = {name: counts[name] for name in ("GetSecretValue", "PublishBatch", "BatchWriteItem")}
    assert calls == {"GetSecretValue": 2, "PublishBatch": 1, "BatchWriteItem": 1}
    assert counts["connections"] - before <= 4  # one for each client, and the question of this test
    assert cost(COLD, at_most=1.2, **environment) <= 1.2


def test_500_events_cost_at_most_one_and_a_half_times_boto3(stub: StubAws) -> None:
    environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": stub.url, "AWS_LAMBDA_FUNCTION_NAME": "notifications"}
    warm = COLD + MANY + HANDLE
    assert cost(HANDLE, before=warm, at_most=1.5, **environment) <= 1.5
