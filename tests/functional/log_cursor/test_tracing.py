"""A wake belongs to the trace of the message that caused it, though one invocation takes in a batch of them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from functions.log_cursor import app
from tests.functional.log_cursor.parts import DONE, Site, batch, handle, push

from geosync.messages.work import WorkMessage

OWN = "Root=1-6923f0ff-000000000000000000000000;Parent=53995c3f42cd8ad8;Sampled=1"


def header(number: int, *, sampled: bool = True) -> str:
    return f"Root=1-6923f0b4-{number:024x};Parent=53995c3f42cd8ad8;Sampled={int(sampled)}"


def handle_traced(*messages: tuple[str, str | None]) -> dict[str, Any]:
    """Invoke the handler with messages, each with the header that SQS has beside it."""
    event = batch(*(body for body, _ in messages))
    for record, (_, trace) in zip(event["Records"], messages, strict=True):
        if trace is not None:
            record["attributes"] = record["attributes"] | {"AWSTraceHeader": trace}
    context: Any = None
    return app.handler(event, context)


@pytest.fixture
def wakes(site: Site) -> list[dict[str, Any]]:
    """The entries that go to SQS, as botocore has checked them: moto forgets the traces of a batch."""
    entries: list[dict[str, Any]] = []
    sqs: Any = app.site().live._sqs
    sqs.meta.events.register(
        "before-parameter-build.sqs.SendMessageBatch", lambda params, **_: entries.extend(params["Entries"])
    )
    return entries


def traces(wakes: list[dict[str, Any]]) -> dict[str, str | None]:
    """The headers of the wakes, by repository."""
    found = {}
    for wake in wakes:
        given = wake.get("MessageSystemAttributes", {"AWSTraceHeader": {"DataType": "String", "StringValue": None}})
        assert given.keys() == {"AWSTraceHeader"}
        assert given["AWSTraceHeader"]["DataType"] == "String"
        found[WorkMessage.from_json(wake["MessageBody"]).repository] = given["AWSTraceHeader"]["StringValue"]
    return found


def test_each_wake_has_the_trace_of_its_own_message(site: Site, wakes: list[dict[str, Any]]) -> None:
    pushes = [(push(f"group-{number}/app"), header(number)) for number in range(10)]
    assert handle_traced(*pushes) == DONE
    assert traces(wakes) == {f"group-{number}/app": header(number) for number in range(10)}
    assert site.woken() == sorted(f"group-{number}/app" for number in range(10))


@pytest.mark.usefixtures("site")
def test_a_wake_of_several_messages_has_a_trace_that_is_recorded(wakes: list[dict[str, Any]]) -> None:
    several = [("v1", None), ("v2", header(2, sampled=False)), ("v3", header(3)), ("v4", header(4))]
    assert handle_traced(*((push("group/app", tag), trace) for tag, trace in several)) == DONE
    assert traces(wakes) == {"group/app": header(3)}


@pytest.mark.parametrize(
    "trace", [None, "", "Root=nothing", header(1) + ";X=<script>", header(1) + ";X=" + "a" * 4_000]
)
def test_a_message_whose_trace_sqs_would_refuse_wakes_without_it(
    site: Site, wakes: list[dict[str, Any]], trace: str | None
) -> None:
    assert handle_traced((push("group/app"), trace), (push("other/app"), header(7))) == DONE
    assert traces(wakes) == {"group/app": None, "other/app": header(7)}
    assert site.woken() == ["group/app", "other/app"]


@pytest.mark.usefixtures("site")
def test_a_batch_without_traces_sends_what_it_always_sent(wakes: list[dict[str, Any]]) -> None:
    assert handle(push("group/app")) == DONE
    assert [set(wake) for wake in wakes] == [{"Id", "MessageBody", "MessageGroupId"}]


@pytest.mark.usefixtures("site")
def test_botocore_sends_the_trace_of_an_invocation_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """No SDK of X-Ray is needed for that: SNS and SQS take the header of the request for the message's."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "geosync-dublin-notifications")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", OWN)
    sns, seen = boto3.client("sns"), []
    sns.meta.events.register("before-send.sns", lambda request, **_: seen.append(request.headers["X-Amzn-Trace-Id"]))
    topic = sns.create_topic(Name="geosync-dublin")["TopicArn"]
    entry: Any = {"Id": "0", "Message": "{}"}
    sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[entry])
    assert {one.decode() if isinstance(one, bytes) else one for one in seen} == {OWN}
