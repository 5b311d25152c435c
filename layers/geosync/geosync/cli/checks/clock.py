"""The clocks: this machine's and each registry's, against AWS's. Tokens and signatures hold for minutes only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

from geosync.cli.checks.findings import Finding, ok, problem, unknown
from geosync.cli.checks.registries import secret_of
from geosync.cli.site import Site
from geosync.errors import ConfigurationError
from geosync.oci.transport import Broken, HttpRequest, Timeouts, Transport
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors import AUTO, find

MOST_SECONDS = 30.0
"""Distribution takes a token that is up to 60 s early or late (its Leeway); AWS a signature that is 300 s off."""
TIMEOUTS = Timeouts(connect=5.0, send=5.0, answer=10.0, read=10.0)


def look(site: Site, *, clock: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Compare the time in the answers of SQS and of the registries; `clock` is this machine's, in seconds.

    A registry that gives no time, or does not answer, is left out: whether it answers is another finding's matter.
    """
    asked = clock()
    answer = site.client("sqs").get_queue_attributes(
        QueueUrl=site.outputs["EventsQueueUrl"], AttributeNames=["QueueArn"]
    )
    aws = ahead(answer["ResponseMetadata"]["HTTPHeaders"].get("date"), (asked + clock()) / 2)
    if aws is None:
        yield unknown("clock", "AWS's answer has no time", "see what stands between: a proxy takes the Date away")
        return
    # How many seconds each is ahead of AWS.
    clocks = {"this machine": -aws}
    for parameter in ("LocalRegistry", "PrimaryRegistry"):
        if url := site.parameters.get(f"{parameter}Url", "").rstrip("/"):
            seconds = _registry(url, _ca_bundle(site, parameter), clock)
            if seconds is not None:
                clocks[url] = seconds - aws
    wrong = {name: seconds for name, seconds in clocks.items() if abs(seconds) > MOST_SECONDS}
    for name, seconds in wrong.items():
        text = f"{name} is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} AWS's clock"
        yield problem(
            "clock", text, "set it by NTP (chronyc tracking, timedatectl): tokens are refused as early or late"
        )
    if not wrong:
        yield ok("clock", f"within {MOST_SECONDS:.0f} s of AWS's: {', '.join(clocks)}")


def ahead(date: str | None, now: float) -> float | None:
    """Return how many seconds a Date header is ahead of `now`; None: there is none, or it is no date."""
    try:
        # It is cut to the second: half a second more is the best guess.
        return parsedate_to_datetime(date).timestamp() + 0.5 - now if date else None
    except (ValueError, OverflowError):
        return None


def _registry(url: str, ca_bundle: str | None, clock: Callable[[], float]) -> float | None:
    """Ask for /v2/ without credentials: the answer has a time, whatever its status."""
    transport = Transport(ca_bundle=ca_bundle, connections=1)
    try:
        asked = clock()
        answer = transport.send(HttpRequest(method="GET", url=f"{url}/v2/", repeatable=True), timeouts=TIMEOUTS)
        date = answer.header("Date")
        answer.close()
        return ahead(date, (asked + clock()) / 2)
    except Broken:
        return None
    finally:
        transport.close()


def _ca_bundle(site: Site, parameter: str) -> str | None:
    secret = secret_of(site, site.parameters.get(f"{parameter}SecretArn", ""))
    try:
        kind = find(site.parameters[f"{parameter}Url"], site.parameters.get(f"{parameter}Vendor", AUTO))
        return RegistrySecret.parse(secret, kind.SECRETS).ca_bundle if secret is not None else None
    except ConfigurationError:
        return None  # local_registry and primary_registry say what is wrong with it
