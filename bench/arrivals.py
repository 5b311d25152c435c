"""The time from seen to told, and to the end of `geosync wait`, on the local stack.

    python -m bench.arrivals [--state .local] [--pushes 100] [--write bench/README.md]

The stack has to be up (`make up`); its site frankfurt has `Arrivals=on`. Each push is a fresh image under a tag of its
own. While it is copied, `geosync wait` waits for it: over the admin API by its digest, over AWS, and over the admin API
by its tag alone, in turns. A queue behind a rule of EventBridge and one behind the topic take the events. All times
begin at the `seen_at` of the event; the one of a wait begins with the command where that came later. The status is 1
when one of the 99th percentiles is over its target.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from local.stack import Stack, running_or_say
from local.wiring import TELLS_ARRIVALS

from bench import on_stack, readme
from bench.images import image, push
from geosync.cli.main import main as command
from geosync.clock import parsed_moment
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Basic
from geosync.oci.deadline import Deadline

LAYERS = [1000]
MOST_TOLD_S, MOST_WAITED_S = 5.0, 2.0
PATIENCE_S = 120.0
HEADINGS = ("from seen to", "median", "p99", "max", "of", "at most")
BUS, TOPIC = "the event on the bus", "the message of the topic"
OVER_API, OVER_AWS = "the end of wait, over the admin API", "the end of wait, over AWS"
BY_TAG = "the end of wait, over the admin API, by a tag alone"
WAYS = (OVER_API, OVER_AWS, BY_TAG)


class NotTold(RuntimeError):
    """An arrival was not told, or not waited for, in time."""


class Listener:
    """A queue of the site that is given each event of a series of pushes; when, by the queue's clock."""

    def __init__(self, sqs: Any, name: str) -> None:
        self._sqs = sqs
        self._url = sqs.create_queue(QueueName=name)["QueueUrl"]
        got = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.arn: str = got["Attributes"]["QueueArn"]
        statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": self.arn}
        principal = {"Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, **principal}]}
        sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)})
        self.seen_s: dict[str, float] = {}
        """By digest: the `seen_at` of the first event of it."""
        self.lags_s: dict[str, float] = {}

    def take(self) -> None:
        """Take what is there."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
        ).get("Messages"):
            for one in messages:
                self._note(json.loads(one["Body"])["detail"], int(one["Attributes"]["SentTimestamp"]) / 1000)
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"])

    def _note(self, detail: Mapping[str, Any], told_s: float) -> None:
        digest = detail["digest"]
        if digest is not None and digest not in self.seen_s:
            self.seen_s[digest] = parsed_moment(detail["seen_at"]) / 1000
            self.lags_s[digest] = told_s - self.seen_s[digest]

    def close(self) -> None:
        """Delete the queue."""
        self._sqs.delete_queue(QueueUrl=self._url)


@contextmanager
def listeners(stack: Stack, site: Mapping[str, Any]) -> Iterator[tuple[Listener, Listener]]:
    """A queue behind a rule for the site's arrivals, and one behind its topic."""
    events, sns, sqs = (stack.emulator.client(name, site["region"]) for name in ("events", "sns", "sqs"))
    name = f"bench-arrivals-{uuid.uuid4().hex[:8]}"
    bus, topic = Listener(sqs, f"{name}-bus"), Listener(sqs, f"{name}-topic")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["geosync"], "detail-type": ["Image Replicated"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": bus.arn}])
    subscribed = sns.subscribe(
        TopicArn=site["arrivals_topic_arn"],
        Protocol="sqs",
        Endpoint=topic.arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )
    try:
        yield bus, topic
    finally:
        sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
        events.remove_targets(Rule=name, Ids=["queue"])
        events.delete_rule(Name=name)
        bus.close()
        topic.close()


class Waits:
    """`geosync wait` at the site, in this process: what a new one takes to start is no part of the time."""

    def __init__(self, state: Path, site: Mapping[str, Any]) -> None:
        over_api = {"GEOSYNC_ADMIN_URL": site["admin_url"], "GEOSYNC_TOKEN": site["admin_read_token"]}
        self._ways: dict[str, tuple[list[str], dict[str, str]]] = {
            OVER_API: ([], over_api),
            BY_TAG: ([], over_api),
            OVER_AWS: (["--local-state", str(state), "--local", site["name"]], {}),
        }

    def wait(self, way: str, named: str) -> tuple[float, float, float]:
        """Wait; when it began, when the image was seen, when it ended (seconds since the epoch). Raises NotTold."""
        before, environment = self._ways[way]
        plain = {name: None for name in os.environ if name.startswith(("GEOSYNC_", "AWS_"))}
        began_s = time.time()
        ended = CliRunner().invoke(command, [*before, "wait", named, "-o", "json"], env={**plain, **environment})
        ended_s = time.time()
        if ended.exit_code != 0:
            raise NotTold(f"wait for {named}: {ended.output}")
        (document,) = json.loads(ended.stdout)
        return began_s, parsed_moment(document["seen_at"]) / 1000, ended_s


def measure(state: Path, stack: Stack, pushes: int) -> dict[str, list[float]]:
    """Push, wait and listen; the seconds of each kind. Raises NotTold."""
    site = stack.site(TELLS_ARRIVALS)
    primary = next(one for one in stack.description["sites"] if one["role"] == "primary")
    account = Basic(username=primary["username"], password=primary["password"], realm_hosts=("127.0.0.1",))
    pusher = RegistryClient(primary["registry"], account, deadline=Deadline(), writes=True)
    waits, repository = Waits(state, site), f"bench/arrivals/{uuid.uuid4().hex[:10]}"
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    digests = []
    with listeners(stack, site) as (bus, topic):
        for number in range(pushes):
            made, tag = image(LAYERS), f"v{number}"
            push(pusher, repository, made, tag)
            digests.append(made.root.digest)
            way = WAYS[number % len(WAYS)]
            named = f"{repository}:{tag}" + (f"@{made.root.digest}" if way == OVER_API else "")
            began_s, seen_s, ended_s = waits.wait(way, named)
            took[way].append(ended_s - max(began_s, seen_s))
            bus.take()
            topic.take()
        until_s = time.monotonic() + PATIENCE_S
        while any(one.lags_s.keys() < set(digests) for one in (bus, topic)):
            if time.monotonic() > until_s:
                missing = set(digests) - (bus.lags_s.keys() & topic.lags_s.keys())
                raise NotTold(f"{len(missing)} arrivals were not told within {PATIENCE_S:.0f} s")
            time.sleep(0.2)
            bus.take()
            topic.take()
        for name, one in ((BUS, bus), (TOPIC, topic)):
            took[name] = [one.lags_s[digest] for digest in digests]
    return {name: took[name] for name in (BUS, TOPIC, *WAYS)}


def p99(taken: Sequence[float]) -> float:
    """Return the 99th percentile: with less than a hundred, the largest."""
    return sorted(taken)[math.ceil(0.99 * len(taken)) - 1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed or the stack is not up."""
    parser = on_stack.options("arrivals", __doc__)
    parser.add_argument("--pushes", type=int, default=100, help="one after the other (default: 100, at least 3)")
    options = parser.parse_args(arguments)
    state = options.state.resolve()
    stack = running_or_say(state)
    if stack is None:
        return 1
    try:
        taken = measure(state, stack, options.pushes)
    except NotTold as error:
        print(error, file=sys.stderr)
        return 1
    most_s = {BUS: MOST_TOLD_S, TOPIC: MOST_TOLD_S} | dict.fromkeys(WAYS, MOST_WAITED_S)
    rows = [
        [name, *(f"{value:.2f} s" for value in (statistics.median(one), p99(one), max(one))), str(len(one)), ""]
        for name, one in taken.items()
    ]
    for row, name in zip(rows, taken, strict=True):
        row[-1] = f"{most_s[name]:.0f} s"
    lines = [f"{readme.machine()}:", "", *readme.table(HEADINGS, rows)]
    print("\n".join(lines))
    if options.write is not None:
        readme.replace(options.write, "arrivals", lines)
    return 1 if any(p99(one) > most_s[name] for name, one in taken.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
