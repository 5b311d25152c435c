"""The notification endpoint: reachable, refuses what it must, takes the token; and a notification arrives elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import requests

from geosync.cli.checks.findings import CheckFinding, ok, problem
from geosync.cli.checks.function_log import read_log
from geosync.cli.site import StackSite
from geosync.errors import HeartbeatFailed
from geosync.minute import heartbeat

WRONG_TOKEN = "geosync-check-a-token-that-is-wrong"  # noqa: S105 - and says so
TIMEOUT_S = 10.0
ARRIVAL_SECONDS = 30.0
LOOK_EVERY_S = 0.3
REFUSED_MINUTES, REFUSED_BY_CHECKS = 10, 10
"""A registry repeats a refused notification every second or so; checks make two refusals each, on purpose."""
PULL_MINUTES = 60


def look(site: StackSite) -> Iterator[CheckFinding]:
    """Post to the site's endpoint without a token, with a wrong one, and with the right one; no event comes of it."""
    url, session = site.outputs["NotificationsUrl"], _session()
    try:
        bare = _post(session, url, None)
    except requests.RequestException as error:
        text = f"{url} does not answer: {type(error).__name__}"
        fix = "check the DNS name, the certificate, and what stands between (NotificationsUrl, CustomDomainName)"
        yield problem("endpoint_reachable", text, fix)
        return
    if bare not in {200, 401}:
        yield _unexpected(site, url, bare)
        return
    yield ok("endpoint_reachable", url)
    yield _refusal(bare, _post(session, url, WRONG_TOKEN))
    yield _acceptance(_post(session, url, site.token("NotificationTokenSecretArn").decode()))


def _unexpected(site: StackSite, url: str, status: int) -> CheckFinding:
    fix = "401 is what Geosync answers: see that the URL leads to this site's API, stage and path included"
    if status == 403:  # API Gateway's own, for another path and for another address alike
        fix += (
            "; or run it from an address that NotificationSourceRanges and the web ACL let in: the registry's, for one"
        )
    if status >= 500:
        fix = f"see the log of {site.outputs['NotificationsFunction']} (notification_failed)"
    return problem("endpoint_reachable", f"{url} answered {status} to a notification without a token", fix)


def _refusal(bare: int, wrong: int) -> CheckFinding:
    """Judge the answers to a missing and to a wrong token."""
    if bare == wrong == 401:
        return ok("wrong_token_refused", "a missing and a wrong Authorization are answered with 401")
    text = f"a missing token was answered with {bare}, a wrong one with {wrong}: both must be 401"
    fix = "see what stands before the API: something puts the token into every request"
    return problem("wrong_token_refused", text, fix)


def _acceptance(status: int) -> CheckFinding:
    """Judge the answer to the right token."""
    if status == 200:
        return ok("token_accepted", "the token in NotificationTokenSecretArn is accepted")
    text = f"the token in NotificationTokenSecretArn was answered with {status}"
    fix = "after a change of the secret wait a minute, it is read once a minute; after 503 see the function's log"
    return problem("token_accepted", text, fix)


def look_for_arrival(
    primary: StackSite, secondaries: Sequence[StackSite], *, seconds: float = ARRIVAL_SECONDS
) -> Iterator[CheckFinding]:
    """Post a heartbeat to the primary's endpoint and wait until it is in each secondary's table.

    A heartbeat takes the way of a push (endpoint, topic, queue, function, table) and makes no event: nothing is left.
    """
    before = {site.stack: _last_heartbeat(site) for site in secondaries}
    token = primary.token("NotificationTokenSecretArn")
    started_s = primary.clock.monotonic_s()
    try:
        # A stack of the version before has no way of its own for heartbeats.
        url = primary.outputs.get("HeartbeatUrl", primary.outputs["NotificationsUrl"])
        heartbeat.post(_session(), url, token)
    except HeartbeatFailed as error:
        yield problem("test_notification", str(error), f"see the log of {primary.outputs['NotificationsFunction']}")
        return
    yield ok("test_notification", f"{primary.name} took a test notification and published it")
    missing = list(secondaries)
    while missing and primary.clock.monotonic_s() - started_s < seconds:
        for site in list(missing):
            if _last_heartbeat(site) != before[site.stack]:
                missing.remove(site)
                waited_s = primary.clock.monotonic_s() - started_s
                yield ok("arrives_at", f"it is in the table after {waited_s:.2f} s", site=site.name)
        if missing:
            primary.clock.sleep(LOOK_EVERY_S)
    for site in missing:
        yield problem(
            "arrives_at",
            f"it is not in the table after {seconds:.0f} s",
            f"geosync --stack {site.stack} --region {site.region} check: its subscription, event sources, function; "
            "when all of these are ok, see docs/regions.md",
            site=site.name,
        )


def way_out(source: str) -> str:
    """The way to put right that the notifications of a NotificationSource are refused."""
    value = "the value of NotificationTokenSecretArn"
    ways = {
        "acr": f"az acr webhook update --headers authorization=<token>, with {value}",
        "gar": "compare NotificationAudience and NotificationSender with the push subscription's audience and account",
        "ghcr": f"put {value} into the webhook's secret on GitHub",
        "harbor": f"put {value} into the webhook's Auth Header",
        "quay": f"put {value} into the notification's URL: https://geosync:<token>@…",
        "zot": f"put {value} into the sink's credentials, as the password",
    }
    return ways.get(
        source,
        f"put {value} into the registry's headers: {{Authorization: [<token>]}}; with GitLab's Linux package as "
        "'headers' in registry['notifications'] (it has no registry['notification_secret'], and sends nothing for it)",
    )


def look_at_the_registry(site: StackSite) -> Iterator[CheckFinding]:
    """Look in the log at the notifications that the registry itself sends: refused, malformed, and of pulls."""
    yield _refused(_log(site, "notification_refused", REFUSED_MINUTES))
    malformed = _log(site, "notification_malformed", PULL_MINUTES)
    if malformed:
        text = f"{len(malformed)} in an hour were not a registry's envelope: {malformed[-1].get('problem')}"
        fix = "see who posts to this URL, and whether NotificationSource is what the registry is"
        yield problem("notifications_well_formed", text, fix)
    yield _pulls(_log(site, "notification_accepted", PULL_MINUTES))


def _refused(lines: Sequence[Mapping[str, object]]) -> CheckFinding:
    """Judge the notifications that were refused lately."""
    if len(lines) <= REFUSED_BY_CHECKS:
        return ok("registry_sends_the_token", f"no run of refused notifications in {REFUSED_MINUTES} min")
    reasons = ", ".join(sorted({str(line.get("reason")) for line in lines}))
    text = (
        f"{len(lines)} notifications in {REFUSED_MINUTES} min were refused with 401 ({reasons}): in the "
        "registry's log 401 Unauthorized unaccepted"
    )
    return problem("registry_sends_the_token", text, way_out(str(lines[-1].get("source"))))


def _pulls(lines: Sequence[Mapping[str, object]]) -> CheckFinding:
    """Judge the pull notifications among those that were accepted lately."""
    dropped = [line.get("dropped") for line in lines]
    pulls = sum(int(counts.get("pull", 0)) for counts in dropped if isinstance(counts, dict))
    if not pulls:
        return ok("pulls_ignored", "no pull notification arrived within an hour")
    return problem(
        "pulls_ignored",
        f"{pulls} pull notifications arrived within an hour: pushes wait behind them in the registry's queue",
        "add to the endpoint in the registry's configuration: "
        "ignore: {actions: [pull], mediatypes: [application/octet-stream]}",
    )


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no .netrc: it would send an Authorization of its own
    return session


def _post(session: requests.Session, url: str, token: str | None) -> int:
    headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token is not None else {})
    answer = session.post(url, data=b'{"events": []}', headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
    return answer.status_code


def _last_heartbeat(site: StackSite) -> int | None:
    """The moment when the newest heartbeat at the site was sent (ms)."""
    beat = site.sync_registry.heartbeat.read()
    return beat.sent_at if beat is not None else None


def _log(site: StackSite, event: str, minutes: int) -> list[dict[str, object]]:
    """The lines of one event name in the log of functions/notifications, within the last `minutes`."""
    return read_log(site, "NotificationsFunction", event, minutes)
