"""An image that arrives, and one that fails: on EventBridge and on the topic of the deployed site.

The rules are those of docs/operations/arrivals.md, with a queue in the place of the pipeline and of the chat.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from local.wiring import TELLS_ARRIVALS
from tests.e2e.command import Geosync, undone
from tests.e2e.parts import Site, eventually, hurried
from tests.e2e.registries import maker
from tests.unit.template.parts import ROOT

PAGE = (ROOT / "docs" / "operations" / "arrivals.md").read_text()
SAMPLES = {
    one["detail-type"]: one
    for one in (json.loads(file.read_text()) for file in (ROOT / "events" / "arrivals").glob("*.json"))
}


@pytest.fixture
def site(secondaries: list[Site]) -> Site:
    return next(one for one in secondaries if one.name == TELLS_ARRIVALS)


def properties(rule: str) -> dict[str, Any]:
    """The properties of one of the page's example rules."""
    block = re.findall(rf"^{rule}:\n(?:(?: .*)?\n)+", PAGE, re.MULTILINE)[0]
    plain = re.sub(r"!(?:GetAtt|Ref) ", "", block)
    found: dict[str, Any] = yaml.safe_load(plain)[rule]["Properties"]
    return found


@dataclass(frozen=True, slots=True)
class Listener:
    """A queue, and all messages that it got so far."""

    site: Site
    url: str
    taken: list[dict[str, Any]]

    def heard(self, repository: str) -> list[dict[str, Any]]:
        """Take the queue's messages; return all so far that name the repository, which no other name contains."""
        sqs = self.site.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            self.taken.extend(json.loads(one["Body"]) for one in messages)
            for one in messages:
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return [one for one in self.taken if repository in json.dumps(one)]


@contextmanager
def a_queue(site: Site) -> Iterator[str]:
    """A queue that EventBridge and SNS may send to."""
    sqs = site.client("sqs")
    url = sqs.create_queue(QueueName=f"e2e-arrivals-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn_of(site, url)}
    principal = {"Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, **principal}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    yield url
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def queue(site: Site) -> Iterator[str]:
    with a_queue(site) as url:
        yield url


def arn_of(site: Site, queue: str) -> str:
    got = site.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return str(got["Attributes"]["QueueArn"])


@contextmanager
def a_rule(site: Site, pattern: dict[str, Any], queue: str, **target: Any) -> Iterator[Listener]:
    """A listener behind a rule with this pattern."""
    events, name = site.client("events"), f"e2e-{uuid.uuid4().hex[:8]}"
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn_of(site, queue), **target}])
    yield Listener(site, queue, [])
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)


@pytest.fixture
def bus(site: Site, queue: str, request: pytest.FixtureRequest) -> Iterator[Listener]:
    """A listener behind a rule with the pattern that the test names."""
    with a_rule(site, request.param, queue) as listener:
        yield listener


@pytest.fixture
def chat(site: Site) -> Iterator[Listener]:
    """The listener behind the page's rule for the chat."""
    rule = properties("TellTheChat")
    (target,) = rule["Targets"]
    with (
        a_queue(site) as url,
        a_rule(site, rule["EventPattern"], url, InputTransformer=target["InputTransformer"]) as listener,
    ):
        yield listener


@pytest.fixture
def topic(site: Site, queue: str) -> Iterator[Listener]:
    """A listener that is subscribed to the site's topic."""
    sns, given = site.client("sns"), {"RawMessageDelivery": "true"}
    arn = sns.subscribe(
        TopicArn=site.about["arrivals_topic_arn"],
        Protocol="sqs",
        Endpoint=arn_of(site, queue),
        Attributes=given,
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    yield Listener(site, queue, [])
    sns.unsubscribe(SubscriptionArn=arn)


DEPLOY = properties("DeployWhatArrives")["EventPattern"]
DEPLOY_HERE = {**DEPLOY, "detail": {**DEPLOY["detail"], "site": [TELLS_ARRIVALS], "repository": [{"prefix": "e2e/"}]}}


@pytest.mark.parametrize("bus", [DEPLOY_HERE], indirect=True, ids=["the page's rule"])
def test_an_image_that_arrives_is_an_event_with_all_that_the_page_says(
    site: Site, primary: Site, bus: Listener
) -> None:
    repository = f"e2e/arrives/{uuid.uuid4().hex[:8]}"
    with maker(primary) as make:
        make.image(repository, "latest", layers=1)  # the rule is for tags that begin with v
        made = make.image(repository, "v1", layers=1)
    event = eventually(lambda: bus.heard(repository), what="the event")[0]
    sample = SAMPLES["Image Replicated"]
    assert set(event) >= set(sample)
    assert (event["source"], event["detail-type"]) == ("geosync", "Image Replicated")
    assert (event["region"], event["resources"]) == (site.about["region"], [])
    detail = event["detail"]
    assert list(detail) == list(sample["detail"])
    assert (detail["site"], detail["tag"], detail["digest"]) == (site.name, "v1", made.digest)
    assert detail["pushed_at"] <= detail["seen_at"]
    assert detail["lag_seconds"] >= 0


def test_the_topic_has_the_same_and_says_what_failed_and_so_does_the_chat(
    state: Path, site: Site, primary: Site, topic: Listener, chat: Listener
) -> None:
    repository, broken = (f"e2e/arrives/{uuid.uuid4().hex[:8]}" for _ in range(2))
    sync_registry = Geosync(state).deployed(site).sync_registry
    with maker(primary) as make:
        made = make.image(repository, "v1", layers=1)
        told = eventually(lambda: topic.heard(repository), what="the message")[0]
        assert (told["detail-type"], told["detail"]["digest"]) == ("Image Replicated", made.digest)

        sync_registry.pause("a layer of the primary's is lost")
        with undone(sync_registry.resume):
            sick = make.image(broken, "v1", layers=1)
            layer = sick.blobs[0].removeprefix("sha256:")
            blobs = Path(primary.about["registry_folder"]) / "data/docker/registry/v2/blobs/sha256"
            (blobs / layer[:2] / layer / "data").unlink()
        heard = eventually(hurried([site], lambda: topic.heard(broken)), what="the message of a failure")
        said = eventually(lambda: chat.heard(broken), what="the chat's message")[0]
        make.delete(sick)
        eventually(
            hurried([site], lambda: not [item for item in site.items_of(broken).values() if "mark" in item]),
            what="nothing owed of what was deleted",
        )
    failed = heard[0]["detail"]
    assert heard[0]["detail-type"] == "Image Replication Failed"
    assert list(failed) == list(SAMPLES["Image Replication Failed"]["detail"])
    assert (failed["tag"], failed["attempts"], failed["parked"]) == ("v1", 1, False)
    assert sick.blobs[0] in failed["reason"]
    (reason,) = [one["text"] for one in said.pop("attachments")]
    assert sick.blobs[0] in reason
    assert said == {"text": f"{broken}:v1 is not at {site.name}"}
    assert chat.heard(repository) == []
