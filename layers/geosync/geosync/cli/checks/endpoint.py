"""The notification endpoint: reachable, refuses what it must, takes the token; and a notification arrives elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

import requests

from geosync.cli.checks.findings import Finding, ok, problem
from geosync.cli.site import Site
from geosync.errors import HeartbeatFailed
from geosync.minute import heartbeat
from geosync.tokens import read_tokens

WRONG_TOKEN = "geosync-check-a-token-that-is-wrong"  # noqa: S105 - and says so
TIMEOUT = 10.0
ARRIVAL_SECONDS = 30.0
LOOK_EVERY = 0.3
LOG_PAGES = 20
"""Pages of the log that are read at most."""
REFUSED_MINUTES, REFUSED_BY_CHECKS = 10, 10
"""A registry repeats a refused notification every second or so; checks make two refusals each, on purpose."""
PULL_MINUTES = 60


def look(site: Site) -> Iterator[Finding]:
    """Post to the site's endpoint without a token, with a wrong one, and with the right one; no event comes of it."""
    url = site.outputs["NotificationsUrl"]
    session = _session()
    try:
        bare = _post(session, url, None)
    except requests.RequestException as error:
        yield problem(
            "endpoint_reachable",
            f"{url} does not answer: {type(error).__name__}",
            "check the DNS name, the certificate, and what stands between (NotificationsUrl, CustomDomainName)",
        )
        return
    if bare not in {200, 401}:
        fix = "401 is what Geosync answers: see that the URL leads to this site's API, stage and path included"
        if bare >= 500:
            fix = f"see the log of {site.outputs['NotificationsFunction']} (notification_failed)"
        yield problem("endpoint_reachable", f"{url} answered {bare} to a notification without a token", fix)
        return
    yield ok("endpoint_reachable", url)
    refused = _post(session, url, WRONG_TOKEN)
    if bare == refused == 401:
        yield ok("wrong_token_refused", "a missing and a wrong Authorization are answered with 401")
    else:
        yield problem(
            "wrong_token_refused",
            f"a missing token was answered with {bare}, a wrong one with {refused}: both must be 401",
            "see what stands before the API: something puts the token into every request",
        )
    token = read_tokens(site.client("secretsmanager"), site.outputs["NotificationTokenSecretArn"])[0]
    accepted = _post(session, url, token.decode())
    if accepted == 200:
        yield ok("token_accepted", "the token in NotificationTokenSecretArn is accepted")
    else:
        yield problem(
            "token_accepted",
            f"the token in NotificationTokenSecretArn was answered with {accepted}",
            "after a change of the secret wait a minute, it is read once a minute; after 503 see the function's log",
        )


def look_for_arrival(
    primary: Site, secondaries: Sequence[Site], *, seconds: float = ARRIVAL_SECONDS
) -> Iterator[Finding]:
    """Post a heartbeat to the primary's endpoint and wait until it is in each secondary's table.

    A heartbeat takes the way of a push (endpoint, topic, queue, function, table) and makes no event: nothing is left.
    """
    before = {site.stack: _last(site) for site in secondaries}
    token = read_tokens(primary.client("secretsmanager"), primary.outputs["NotificationTokenSecretArn"])[0]
    started = time.monotonic()
    try:
        heartbeat.post(_session(), primary.outputs["NotificationsUrl"], token)
    except HeartbeatFailed as error:
        yield problem("test_notification", str(error), f"see the log of {primary.outputs['NotificationsFunction']}")
        return
    yield ok("test_notification", f"{primary.name} took a test notification and published it")
    missing = list(secondaries)
    while missing and time.monotonic() - started < seconds:
        for site in list(missing):
            if _last(site) != before[site.stack]:
                missing.remove(site)
                waited = time.monotonic() - started
                yield ok("arrives_at", f"it is in the table after {waited:.2f} s", site=site.name)
        if missing:
            time.sleep(LOOK_EVERY)
    for site in missing:
        yield problem(
            "arrives_at",
            f"it is not in the table after {seconds:.0f} s",
            f"geosync --stack {site.stack} --region {site.region} check: its subscription, event sources, function",
            site=site.name,
        )


def way_out(source: str) -> str:
    """Return what to put right when the notifications of a NotificationSource are refused."""
    value = "the value of NotificationTokenSecretArn"
    ways = {
        "acr": f"az acr webhook update --headers authorization=<token>, with {value}",
        "gar": "compare NotificationAudience and NotificationSender with the push subscription's audience and account",
        "ghcr": f"put {value} into the webhook's secret on GitHub",
        "harbor": f"put {value} into the webhook's Auth Header",
        "quay": f"put {value} into the notification's URL: https://geosync:<token>@…",
        "zot": f"put {value} into the sink's credentials, as the password",
    }
    return ways.get(source, f"put {value} into the registry's headers: {{Authorization: [<token>]}}")


def look_at_the_registry(site: Site) -> Iterator[Finding]:
    """Look in the log at what the registry itself sends: refused notifications, and pulls."""
    refused = _log(site, "notification_refused", REFUSED_MINUTES)
    if len(refused) > REFUSED_BY_CHECKS:
        reasons = ", ".join(sorted({str(line.get("reason")) for line in refused}))
        yield problem(
            "registry_sends_the_token",
            f"{len(refused)} notifications in {REFUSED_MINUTES} min were refused with 401 ({reasons}): in the "
            "registry's log 401 Unauthorized unaccepted",
            way_out(str(refused[-1].get("source"))),
        )
    else:
        yield ok("registry_sends_the_token", f"no run of refused notifications in {REFUSED_MINUTES} min")
    malformed = _log(site, "notification_malformed", PULL_MINUTES)
    if malformed:
        yield problem(
            "notifications_well_formed",
            f"{len(malformed)} in an hour were not a registry's envelope: {malformed[-1].get('problem')}",
            "see who posts to this URL, and whether NotificationSource is what the registry is",
        )
    pulls = 0
    for line in _log(site, "notification_accepted", PULL_MINUTES):
        dropped = line.get("dropped")
        pulls += int(dropped.get("pull", 0)) if isinstance(dropped, dict) else 0
    if pulls:
        yield problem(
            "pulls_ignored",
            f"{pulls} pull notifications arrived within an hour: pushes wait behind them in the registry's queue",
            "add to the endpoint in the registry's configuration: "
            "ignore: {actions: [pull], mediatypes: [application/octet-stream]}",
        )
    else:
        yield ok("pulls_ignored", "no pull notification arrived within an hour")


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no .netrc: it would send an Authorization of its own
    return session


def _post(session: requests.Session, url: str, token: str | None) -> int:
    headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token is not None else {})
    answer = session.post(url, data=b'{"events": []}', headers=headers, timeout=TIMEOUT, allow_redirects=False)
    return answer.status_code


def _last(site: Site) -> int | None:
    heartbeat = site.registry.heartbeat.read()
    return heartbeat.sent_at if heartbeat is not None else None


def _log(site: Site, event: str, minutes: int) -> list[dict[str, object]]:
    """The lines of one event name in the log of functions/notifications, within the last `minutes`."""
    return read_log(site, "NotificationsFunction", event, minutes)


def read_log(site: Site, function: str, event: str, minutes: int) -> list[dict[str, object]]:
    """Read the lines named `event` in a function's log, of the last `minutes`; `function` is the name of its output."""
    pages = (
        site.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=f"/aws/lambda/{site.outputs[function]}",
            startTime=time.time_ns() // 1_000_000 - minutes * 60_000,
            filterPattern=f'"{event}"',
        )
    )
    lines: list[dict[str, object]] = []
    for number, page in enumerate(pages, 1):
        for entry in page["events"]:
            try:
                line = json.loads(entry["message"])
            except ValueError:
                continue
            if isinstance(line, dict) and line.get("message") == event:
                lines.append(line)
        if number == LOG_PAGES:
            break
    return lines
