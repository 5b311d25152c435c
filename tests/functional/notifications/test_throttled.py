"""While AWS throttles, with AWS's own answers, the registry is told to send again until all is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.functional.notifications.parts import Post, Site, sample
from tests.support.throttled import throttled

from geosync.aws.errors import WAY_OUT

Log = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize("service", ["dynamodb", "sns", "secretsmanager"])
def test_a_push_is_answered_503_until_all_of_it_is_written(aws: Site, post: Post, service: str) -> None:
    event = sample("distribution-push-tag.json")
    with throttled(service) as throttle:
        assert post(event)[0] == 503
    assert throttle.refused.total() > 1, "the SDK has tried again"
    assert post(event)[0] == 200
    assert len(aws.items()) == 1
    assert event["id"] in {one["id"] for one in aws.messages()}


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("sns", f"AWS throttles SNS PublishBatch; {WAY_OUT} [Throttled: Rate exceeded]"),
        ("dynamodb", f"AWS throttles DynamoDB BatchWriteItem; {WAY_OUT} [ProvisionedThroughputExceededException: "),
    ],
)
@pytest.mark.usefixtures("aws")
def test_the_log_names_the_call_that_was_throttled(post: Post, log: Log, service: str, said: str) -> None:
    with throttled(service):
        assert post(sample("distribution-push-tag.json"))[0] == 503
    line = [line for line in log() if line["message"] == "notification_failed"][-1]
    assert said in line["reason"]


def test_a_batch_that_dynamodb_takes_in_part_is_written_to_its_end(aws: Site, post: Post) -> None:
    events = [sample("distribution-push-tag.json") | {"id": f"event-{number}"} for number in range(60)]
    with throttled("dynamodb", every=2) as throttle:
        # Batches go side by side: one may meet every refusal. The registry then posts all of it again.
        assert 200 in (post(*events)[0] for _ in range(20))
    assert throttle.halved["dynamodb:BatchWriteItem"] > 0
    assert len(aws.items()) == 60
    assert len({message["id"] for message in aws.messages()}) == 60
