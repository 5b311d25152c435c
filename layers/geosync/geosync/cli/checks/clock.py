"""The clocks: this machine's and each registry's, against AWS's. Tokens and signatures hold for minutes only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime

from geosync.cli.checks.findings import CheckFinding, ok, problem, unknown
from geosync.cli.registries import secret_of
from geosync.cli.site import StackSite
from geosync.clock import Clock
from geosync.errors import ConfigurationError
from geosync.oci.transport import Broken, HttpRequest, Timeouts, Transport
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors import AUTO, find

MOST_SECONDS = 30.0
"""Distribution takes a token that is up to 60 s early or late (its Leeway); AWS a signature that is 300 s off."""
TIMEOUTS = Timeouts(connect_s=5.0, send_s=5.0, answer_s=10.0, read_s=10.0)


def look(site: StackSite) -> Iterator[CheckFinding]:
    """Compare the time in the answers of SQS and of the registries with this machine's clock.

    A registry that gives no time, or does not answer, is left out: whether it answers is another finding's matter.
    """
    asked_s = _now_s(site.clock)
    answer = site.client("sqs").get_queue_attributes(
        QueueUrl=site.outputs["EventsQueueUrl"], AttributeNames=["QueueArn"]
    )
    aws_s = ahead_s(answer["ResponseMetadata"]["HTTPHeaders"].get("date"), (asked_s + _now_s(site.clock)) / 2)
    if aws_s is None:
        yield unknown("clock", "AWS's answer has no time", "see what stands between: a proxy takes the Date away")
        return
    yield from _judge({"this machine": -aws_s, **{url: found - aws_s for url, found in _registries(site)}})


def _judge(clocks: Mapping[str, float]) -> Iterator[CheckFinding]:
    """Judge clocks by the seconds that each is ahead of AWS's."""
    wrong = {name: seconds for name, seconds in clocks.items() if abs(seconds) > MOST_SECONDS}
    for name, seconds in wrong.items():
        text = f"{name} is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} AWS's clock"
        yield problem(
            "clock", text, "set it by NTP (chronyc tracking, timedatectl): tokens are refused as early or late"
        )
    if not wrong:
        yield ok("clock", f"within {MOST_SECONDS:.0f} s of AWS's: {', '.join(clocks)}")


def ahead_s(date: str | None, now_s: float) -> float | None:
    """The seconds that a Date header is ahead of `now_s`; None: there is none, or it is no date."""
    try:
        # It is cut to the second: half a second more is the best guess.
        return parsedate_to_datetime(date).timestamp() + 0.5 - now_s if date else None
    except (ValueError, OverflowError):
        return None


def _registries(site: StackSite) -> Iterator[tuple[str, float]]:
    """The URL of each registry that gives a time, and the seconds that it is ahead of this machine's clock."""
    for parameter in ("LocalRegistry", "PrimaryRegistry"):
        if url := site.parameters.get(f"{parameter}Url", "").rstrip("/"):
            seconds = _registry_ahead_s(url, _ca_bundle(site, parameter), site.clock)
            if seconds is not None:
                yield url, seconds


def _now_s(clock: Clock) -> float:
    return clock.now_ms() / 1000


def _registry_ahead_s(url: str, ca_bundle: str | None, clock: Clock) -> float | None:
    """Ask for /v2/ without credentials: the answer has a time, whatever its status."""
    with closing(Transport(ca_bundle=ca_bundle, connections=1)) as transport:
        try:
            asked_s = _now_s(clock)
            answer = transport.send(HttpRequest(method="GET", url=f"{url}/v2/", repeatable=True), timeouts=TIMEOUTS)
            date = answer.header("Date")
            answer.close()
        except Broken:
            return None
        return ahead_s(date, (asked_s + _now_s(clock)) / 2)


def _ca_bundle(site: StackSite, parameter: str) -> str | None:
    secret = secret_of(site, site.parameters.get(f"{parameter}SecretArn", ""))
    try:
        kind = find(site.parameters[f"{parameter}Url"], site.parameters.get(f"{parameter}Vendor", AUTO))
        return RegistrySecret.parse(secret, kind.SECRETS).ca_bundle if secret is not None else None
    except ConfigurationError:
        return None  # the checks local_registry and primary_registry say so
