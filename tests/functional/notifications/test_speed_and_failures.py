"""Real HTTP to a stub of AWS: how long the endpoint takes, and what it answers when AWS is late, partial or down."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from functions.notifications import app
from tests.functional.notifications.parts import ENVIRONMENT, ROOT, Post, StubAws, sample

Log = Callable[[], list[dict[str, Any]]]


def events(number: int) -> list[dict[str, Any]]:
    push = sample("distribution-push-tag.json")
    return [push | {"id": f"event-{one}"} for one in range(number)]


@pytest.mark.timed
def test_500_events_take_less_than_500_ms_with_20_ms_a_call(stub: StubAws, post: Post) -> None:
    post(*events(500))  # threads and connections are there, as in a warm environment
    stub.behave(seconds=0.02)
    took: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        assert post(*events(500))[0] == 200
        took.append(time.perf_counter() - started)
    counts = stub.counts()
    assert (counts["messages"], counts["items"]) == (2500, 2500)
    assert (counts["PublishBatch"], counts["BatchWriteItem"]) == (250, 100)
    assert min(took) < 0.5  # whatever else the machine does only adds


@pytest.mark.timed
def test_one_push_takes_one_call_each_side_by_side(stub: StubAws, post: Post) -> None:
    post(*events(1))
    stub.behave(seconds=0.2)
    started = time.perf_counter()
    assert post(*events(1))[0] == 200
    assert time.perf_counter() - started < 0.38
    counts = stub.counts()
    assert (counts["PublishBatch"], counts["BatchWriteItem"]) == (1, 1)
    assert "GetSecretValue" not in counts


def test_connections_are_kept(stub: StubAws, post: Post) -> None:
    post(*events(1))
    before = stub.counts()["connections"]
    for _ in range(20):
        post(*events(1))
    assert stub.counts()["connections"] - before <= 2  # the two questions of this test


@pytest.mark.parametrize("operation", ["BatchWriteItem", "PublishBatch"])
def test_if_one_of_both_fails_it_is_503_and_the_other_is_written_all_the_same(
    stub: StubAws, post: Post, log: Log, operation: str
) -> None:
    stub.behave(failing=[operation])
    assert post(*events(3))[0] == 503
    other = {"BatchWriteItem": "messages", "PublishBatch": "items"}[operation]
    deadline = time.monotonic() + 5  # the answer does not wait for the other one
    while stub.counts().get(other) != 3:
        assert time.monotonic() < deadline, stub.counts()
    assert log()[-1]["message"] == "notification_failed"
    stub.behave()
    assert post(*events(3))[0] == 200
    assert (stub.counts()["messages"], stub.counts()["items"]) == (3, 3)


def test_a_message_that_the_topic_refuses_is_503(stub: StubAws, post: Post, log: Log) -> None:
    stub.behave(refused=1)
    assert post(*events(25))[0] == 503
    assert "InternalError" in log()[-1]["reason"]
    assert post(*events(25))[0] == 200


def test_what_the_event_log_leaves_is_written_again(stub: StubAws, post: Post) -> None:
    stub.behave(unprocessed=3)
    assert post(*events(25))[0] == 200
    counts = stub.counts()
    assert (counts["BatchWriteItem"], counts["items"]) == (4, 28)


def test_an_event_log_that_leaves_items_again_and_again_is_503(stub: StubAws, post: Post) -> None:
    stub.behave(unprocessed=100)
    assert post(*events(1))[0] == 503
    assert stub.counts()["BatchWriteItem"] == 4


@pytest.mark.timed
def test_a_call_that_hangs_ends_in_time_and_nothing_goes_on_behind_the_answer(
    stub: StubAws, post: Post, environment: pytest.MonkeyPatch
) -> None:
    post(*events(1))
    stub.behave(hanging=["PublishBatch"])
    started = time.perf_counter()
    assert post(*events(1))[0] == 503
    # 2 attempts of 2 s and a pause of at most 1 s between them, under the function's 10 s
    assert 3.5 < time.perf_counter() - started < 6
    counts = stub.counts()
    assert counts["PublishBatch"] == 2
    time.sleep(0.3)
    assert stub.counts()["PublishBatch"] == 2


@pytest.mark.timed
def test_after_a_failure_what_has_not_begun_is_left_out(stub: StubAws, post: Post) -> None:
    stub.behave(hanging=["PublishBatch", "BatchWriteItem"])
    started = time.perf_counter()
    assert post(*events(500))[0] == 503
    # 70 calls that hang for 5 s in 16 threads would be 25 s; those that began are 16 and the one made here, twice each
    assert time.perf_counter() - started < 8
    assert sum(stub.counts()[name] for name in ("PublishBatch", "BatchWriteItem")) <= 40


def test_a_secret_store_that_is_down_is_503_and_the_next_request_asks_again(stub: StubAws, post: Post) -> None:
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


IMPORT_TIME = "import time; started = time.perf_counter(); import {}; print(time.perf_counter() - started)"


@pytest.mark.timed
def test_imports_cost_at_most_half_as_much_again_as_boto3() -> None:
    # Alternating, and the least of each: whatever else the machine does only adds.
    took = [(float(run(IMPORT_TIME.format("boto3"))), float(run(IMPORT_TIME.format("app")))) for _ in range(7)]
    boto3, ours = (min(times) for times in zip(*took, strict=True))
    assert ours < 1.5 * boto3


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
    assert set(vars(app.site())) == {"settings", "metrics", "authorization", "source"}


COLD = """
import time; started = time.perf_counter()
import app, json, pathlib, types
request = json.loads(pathlib.Path({path!r}).read_text())
request["headers"]["Authorization"] = "stub-token"
answer = app.handler(request, types.SimpleNamespace(aws_request_id="r"))
took = time.perf_counter() - started
assert answer["statusCode"] == 200, answer
print(); print(took)
"""


@pytest.mark.timed
def test_the_cold_path_takes_less_than_500_ms(stub: StubAws) -> None:
    code = COLD.format(path=str(ROOT / "events" / "functions" / "notifications-push.json"))
    environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": stub.url, "AWS_LAMBDA_FUNCTION_NAME": "notifications"}
    # The first of a few that nothing else on the machine got into the way of.
    took: list[float] = []
    while len(took) < 20 and not (took and took[-1] < 0.5):
        took.append(float(run(code, **environment).splitlines()[-1]))
    assert min(took) < 0.5
