"""AWS throttles the functions of two sites: nothing is lost, and the site says why nothing arrives meanwhile."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from local.stack import Stack
from tests.e2e.command import Geosync
from tests.e2e.parts import Site, envelope, eventually, hurried, push_event
from tests.e2e.registries import digest, maker
from tests.support.aws_proxy import ThrottlingProxy
from tests.support.throttled import Throttle

from geosync.aws.errors import WAY_OUT
from geosync.cli.checks import throttles

IMAGES = 4


@contextmanager
def behind(proxy: ThrottlingProxy, site: Site, *functions: str) -> Iterator[None]:
    """Send some functions' AWS calls through the proxy; afterwards they are restored and warm."""
    client = site.client("lambda")
    with ExitStack() as put_back:
        for function in functions:
            name = site.about["functions"][function]
            variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            put_back.callback(change, site, function, variables)
            change(site, function, {**variables, "AWS_ENDPOINT_URL": proxy.url})
        yield


def change(site: Site, function: str, variables: dict[str, str]) -> None:
    """Change a function's environment, and start it."""
    client, name = site.client("lambda"), site.about["functions"][function]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    if function == "notifications":
        eventually(lambda: site.notify(b'{"events": []}', site.token())[0] == 200, what="the endpoint")
    else:
        site.invoke(function, {"Records": []})


@contextmanager
def soon_again(site: Site) -> Iterator[None]:
    """Make a returned message of functions/log_cursor visible in seconds instead of three minutes."""
    client, queue = site.client("sqs"), {"QueueUrl": site.about["queue_url"]}
    name = "VisibilityTimeout"
    before = client.get_queue_attributes(**queue, AttributeNames=[name])["Attributes"][name]
    client.set_queue_attributes(**queue, Attributes={name: "10"})
    try:
        yield
    finally:
        client.set_queue_attributes(**queue, Attributes={name: before})


@pytest.fixture
def published(stack: Stack, primary: Site) -> Iterator[ThrottlingProxy]:
    """Between the primary's functions/notifications and AWS."""
    with ThrottlingProxy(stack.emulator.url) as proxy, behind(proxy, primary, "notifications"):
        yield proxy


@pytest.fixture
def taken(stack: Stack, secondary: Site) -> Iterator[ThrottlingProxy]:
    """Between the secondary's functions and AWS."""
    with (
        ThrottlingProxy(stack.emulator.url) as proxy,
        soon_again(secondary),
        behind(proxy, secondary, "log_cursor", "sync"),
    ):
        yield proxy


def test_nothing_is_lost_and_the_site_says_why_nothing_arrives(
    published: ThrottlingProxy, taken: ThrottlingProxy, primary: Site, secondary: Site, state: Path
) -> None:
    repository, later = (f"e2e/throttled/{uuid.uuid4().hex[:10]}" for _ in range(2))
    # Else the comparison that another test asked for takes the few calls that AWS lets through.
    eventually(hurried([secondary], lambda: not to_compare(secondary)), what="the site to be compared")
    letters = secondary.messages("dlq_url")
    begun_ms = int(time.time() * 1000)
    published.throttle = Throttle(("sns",))
    taken.throttle = Throttle(("secretsmanager",))
    with maker(primary) as make:
        images = [make.image(repository, f"v{number}", layers=1) for number in range(IMAGES)]
    # Whoever posts is told to come again, and so is the primary's registry, which does.
    again = envelope(push_event(repository, "v0", images[0].digest))
    assert primary.notify(again, primary.token())[0] == 503

    def refused() -> list[str]:
        lines = primary.log("notifications", since_ms=begun_ms)
        return [line["reason"] for line in lines if line.get("message") == "notification_failed"]

    eventually(lambda: len(refused()) > IMAGES, what="the registry to post again what was refused")
    said = f"AWS throttles SNS PublishBatch; {WAY_OUT} [Throttled: Rate exceeded]"
    assert [reason for reason in refused() if said not in reason] == []
    assert set(published.throttle.refused) == {"sns:PublishBatch"}

    published.throttle = Throttle(("dynamodb", "sns"), every=2)
    eventually(lambda: primary.notify(again, primary.token())[0] == 200, what="the envelope to be taken")

    def told() -> bool:
        """Tell whether the hold is shown; one that ran out is not, and the next worker makes a longer one."""
        shown = json.loads(Geosync(state)(secondary, "status", "--json").output)
        return f"cannot be read: AWS throttles Secrets Manager GetSecretValue; {WAY_OUT} [" in json.dumps(
            shown["holds"]
        )

    eventually(hurried([secondary], told), what="the hold of the registry whose secret AWS does not give")
    assert taken.throttle.refused["secretsmanager:GetSecretValue"] > 0

    taken.throttle = Throttle(("dynamodb", "sqs"), every=3)
    with maker(primary) as make, maker(secondary) as there:

        def arrived() -> bool:
            return all(digest(there, image.repository, image.reference) == image.digest for image in images)

        eventually(hurried([secondary], arrived), what="every image")
        # The first four were marked before, and functions/reconcile woke them. functions/log_cursor wakes this one.
        images.append(make.image(later, "v1", layers=1))
        eventually(hurried([secondary], arrived), what="an image that is marked meanwhile")

    def is_settled() -> bool:
        return not owed(secondary, repository) and not owed(secondary, later)

    eventually(hurried([secondary], is_settled), what="nothing to be owed")
    assert secondary.messages("dlq_url") == letters

    def told_by(site: Site, function: str, call: str) -> bool:
        """Tell whether `check` names the call. The emulator has the log of an invocation only once it ended."""
        found = list(throttles.look_in_the_logs(Geosync(state).deployed(site)))
        told = f"{call} in {site.about['functions'][function]}"
        return any((one.name, one.result) == ("calls_throttled", "problem") and told in one.text for one in found)

    for site, function, call in (
        (primary, "notifications", "SNS PublishBatch"),
        (secondary, "sync", "Secrets Manager GetSecretValue"),
    ):
        eventually(partial(told_by, site, function, call), what=f"the log of {function} to tell of {call}")
    done = published.throttle.refused + published.throttle.halved
    assert {name.partition(":")[0] for name in done} >= {"dynamodb", "sns"}
    done = taken.throttle.refused + taken.throttle.halved
    assert {name.partition(":")[0] for name in done} == {"dynamodb", "sqs"}
    assert taken.throttle.halved["dynamodb:BatchGetItem"] > 0


def to_compare(site: Site) -> list[str]:
    return [one["repository"] for one in site.items() if one["item"] == "owed#*" and not one.get("parked")]


def owed(site: Site, repository: str) -> list[str]:
    return [one["item"] for one in site.items() if one["repository"] == repository and one["item"].startswith("owed#")]
