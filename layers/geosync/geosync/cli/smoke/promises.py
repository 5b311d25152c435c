"""The promises of two deployed sites, each looked at as a client or an operator would see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.awaited import StackAwaited
from geosync.cli.failover.losses import read_losses
from geosync.cli.failover.promote import make_primary
from geosync.cli.failover.stack_update import find_again
from geosync.cli.following import FailedLook, look_once
from geosync.cli.output import moment_text
from geosync.cli.site import StackSite
from geosync.cli.smoke.names import PRIMARY, SECONDARY, Side, SmokePlace
from geosync.cli.smoke.registries import Happening, SmokeRegistries, delete_tag, opened
from geosync.cli.smoke.steps import NotKnown, NotSeen, wait_for
from geosync.drilling.canary import Canary
from geosync.messages.event_log import Filter
from geosync.oci.media_types import OCI_MANIFEST
from geosync.operating.recovery_point import why_not_known
from geosync.reading.arrival import AwaitedImage
from geosync.sync_registry.items import Reference

BEFORE, PUSHED, DELETED, AFTER = "before", "pushed", "deleted", "after"
"""The tags: pushed before there were sites, pushed and pushed again, deleted, pushed to the new primary."""
METRICS = (
    (PRIMARY, "EventsAccepted"),
    (PRIMARY, "HeartbeatsPosted"),
    (SECONDARY, "ReferencesSynced"),
    (SECONDARY, "ReconcileRuns"),
)
"""Counters that a primary and a secondary have put by now (docs/signals.md)."""
METRICS_EVERY_S = 10.0
AHEAD_MS = 300_000
"""What this machine's clock may be ahead of AWS's."""


@dataclass(slots=True)
class Promises:
    """The looks of one run, and what they have to know of each other."""

    place: SmokePlace
    registries: SmokeRegistries
    timeout_s: float
    began_ms: int
    _sites: dict[Side, StackSite] = field(default_factory=dict)
    _last_push_ms: int = 0

    # ------------------------------------------------------------------------------------------------ before the sites

    def push_before(self) -> str:
        """Make the registries ready, and push an image that no site hears of."""
        self.registries.make()
        self._push(PRIMARY, BEFORE, "before")
        return self.registries.words

    # ------------------------------------------------------------------------------------------------ of a secondary

    def follows(self) -> str:
        """Wait for the subscription that functions/reconcile makes."""
        client, began_s = self.place.client("sns", self.place.regions[PRIMARY]), self.place.clock.monotonic_s()
        queue = self._site(SECONDARY).outputs["EventsQueueUrl"].rpartition("/")[2]

        def look() -> bool | None:
            pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.place.topic_arn)
            ends = [one["Endpoint"] for page in pages for one in page["Subscriptions"]]
            return any(end.endswith(f":{queue}") for end in ends) or None

        self._wait(look, f"a subscription of {queue}")
        return f"subscribed after {self._since(began_s)}"

    def backfills(self) -> str:
        """Wait for the image that was pushed before."""
        return self._arrival(BEFORE, self._canary("before"), self.began_ms)

    def replicates(self) -> str:
        """Push an image, and wait for it."""
        return self._pushed_and_here(PUSHED, "first")

    def retags(self) -> str:
        """Push another image with the same tag, and wait for that one."""
        return self._pushed_and_here(PUSHED, "second")

    def deletes(self) -> str:
        """Push an image, wait for it, delete its tag, and wait until it is gone here as well."""
        self._pushed_and_here(DELETED, "deleted")
        digest = self._canary("deleted").digest
        with opened(self.registries, PRIMARY, self.place.names.repository) as there:
            delete_tag(there, DELETED, digest)
        began_s = self.place.clock.monotonic_s()
        self._announce(PRIMARY, Happening(action="delete", repository=self.place.names.repository, tag=DELETED))

        def look() -> bool | None:
            with opened(self.registries, SECONDARY, self._copy) as here:
                return here.head_manifest(DELETED) is None or None

        self._wait(look, f"{DELETED} to be removed at the secondary")
        return f"gone after {self._since(began_s)}"

    def recovers(self) -> str:
        """Wait until the recovery point has passed the last push."""
        site = self._site(SECONDARY)
        why = ""

        def look() -> int | None:
            nonlocal why
            found = site.read_status()
            point = found.recovery_point
            why = f"it is {moment_text(point)}" if point is not None else why_not_known(found)
            return point if point is not None and point >= self._last_push_ms else None

        try:
            point = self._wait(look, "the recovery point")
        except NotSeen as error:
            raise NotSeen(f"{error}: {why}") from None
        return f"{moment_text(point)}, after the last push at {moment_text(self._last_push_ms)}"

    def measures(self, timeout_s: float) -> str:
        """Read counters of both sites from CloudWatch. Raises NotKnown where it tells none of one in time.

        A read that fails in passing is made again.
        """
        left, found, clock = list(METRICS), list[str](), self.place.clock
        end_s = clock.monotonic_s() + timeout_s
        while True:
            why = ""
            for side, metric in list(left):
                total = _known(partial(self._sum, side, metric))
                if isinstance(total, FailedLook):
                    why = f" ({total.why})"
                elif total is not None:
                    left.remove((side, metric))
                    found.append(f"{metric} {total:.0f}")
            if not left:
                return ", ".join(found)
            left_s = end_s - clock.monotonic_s()
            if left_s <= 0:
                names = ", ".join(name for _, name in left)
                raise NotKnown(f"CloudWatch has no value of {names} after {timeout_s:.0f} s{why}")
            clock.sleep(min(METRICS_EVERY_S, left_s))

    def _sum(self, side: Side, metric: str) -> float | None:
        """The sum of a counter since the run began; None: CloudWatch has no value of it."""
        now = datetime.fromtimestamp(self.place.clock.now_ms() / 1000, UTC)
        began = datetime.fromtimestamp(self.began_ms / 1000, UTC) - timedelta(minutes=5)
        dimensions = [{"Name": "site", "Value": self.place.names.site(side)}]
        asked: dict[str, Any] = {"Namespace": "Geosync", "MetricName": metric, "Dimensions": dimensions}
        (answer,) = self.place.client("cloudwatch", self.place.regions[side]).get_metric_data(
            MetricDataQueries=[{"Id": "counter", "MetricStat": {"Metric": asked, "Period": 60, "Stat": "Sum"}}],
            StartTime=began,
            EndTime=now + timedelta(minutes=5),
        )["MetricDataResults"]
        return float(sum(answer["Values"])) if answer["Values"] else None

    # ------------------------------------------------------------------------------------------------ of a promotion

    def promotes(self) -> str:
        """Make the secondary the primary, as `geosync promote` does.

        The run's own references are judged. Messages may be of any repository of the registry, so they are told.
        """
        site = self._site(SECONDARY)
        losses = read_losses(site)
        lost = [one for one in losses.status.would_be_lost if self.place.names.holds(one.repository)]
        if lost:
            names = ", ".join(f"{one.repository}:{one.reference}" for one in lost)
            raise NotSeen(f"promote lists what would be lost: {names}")
        waiting = sum(losses.unmarked.values())
        others = f"; of {waiting} messages in its queues nobody knows the repository" if waiting else ""
        began_s = site.clock.monotonic_s()
        make_primary(site, say=True)
        self._sites[SECONDARY] = find_again(site)
        if not self._sites[SECONDARY].is_primary:
            raise NotSeen(f"{site.name} is {self._sites[SECONDARY].role}")
        return f"the primary after {self._since(began_s)}, nothing known to be lost{others}"

    def publishes(self) -> str:
        """Push to the new primary's registry, and wait until the site has taken the event."""
        site, began_s = self._site(SECONDARY), self.place.clock.monotonic_s()
        if not site.is_primary:
            raise NotSeen(f"{site.name} is no primary")
        since_ms = site.clock.now_ms() - AHEAD_MS
        digest = self._push(SECONDARY, AFTER, "after")
        self._announce(SECONDARY, self._pushed(self._copy, AFTER, digest))
        log = site.event_log

        def look() -> bool | None:
            wanted = Filter(repository=self._copy, since_ms=since_ms)
            page = log.page(now_ms=site.clock.now_ms() + AHEAD_MS, limit=50, wanted=wanted)
            taken = (one.get("outcome") == "accepted" for one in page.entries if one.get("digest") == digest)
            return any(taken) or None

        self._wait(look, f"the event of {AFTER} in the event log of {site.name}")
        return f"in its event log after {self._since(began_s)}"

    # ------------------------------------------------------------------------------------------------ what they share

    @property
    def _copy(self) -> str:
        """The repository's name at the secondary's registry."""
        names = self.place.names
        return f"{names.copies}/{names.repository}" if self.registries.are_one else names.repository

    def _site(self, side: Side) -> StackSite:
        if side not in self._sites:
            self._sites[side] = self.place.site(side)
        return self._sites[side]

    def _canary(self, name: str) -> Canary:
        return Canary.of(f"{self.place.names.id} {name}", "geosync smoke")

    def _push(self, side: Side, tag: str, name: str) -> str:
        """Push an image to the registry of a side; returns its digest."""
        canary = self._canary(name)
        repository = self.place.names.repository if side == PRIMARY else self._copy
        with opened(self.registries, side, repository) as there:
            canary.push(there, tag)
        return canary.digest

    def _pushed(self, repository: str, tag: str, digest: str) -> Happening:
        return Happening(action="push", repository=repository, tag=tag, digest=digest, media_type=OCI_MANIFEST)

    def _announce(self, side: Side, happening: Happening) -> None:
        self.registries.announce(self._site(side), happening)

    def _pushed_and_here(self, tag: str, name: str) -> str:
        """Push to the primary, and wait until the image is at the secondary, which hears of it as of any push."""
        self._last_push_ms = self.place.clock.now_ms()
        digest = self._push(PRIMARY, tag, name)
        self._announce(PRIMARY, self._pushed(self.place.names.repository, tag, digest))
        return self._arrival(tag, self._canary(name), self._last_push_ms)

    def _arrival(self, tag: str, canary: Canary, since_ms: int) -> str:
        """Wait until the site says that an image is here, then read all of it from its registry."""
        awaited, began_s = StackAwaited(self._site(SECONDARY)), self.place.clock.monotonic_s()
        image = AwaitedImage(
            repository=self.place.names.repository,
            reference=Reference.tag(tag),
            digest=canary.digest,
            since_ms=since_ms,
        )
        why = ""

        def look() -> bool | None:
            nonlocal why
            found = awaited.look(image)
            why = found.reason or ""
            return found.state == "here" or None

        try:
            self._wait(look, f"{tag} at the secondary")
        except NotSeen as error:
            raise NotSeen(f"{error}: {why}") from None
        arrived = self._since(began_s)
        return f"here after {arrived}, {self._bytes_of(tag, canary)} bytes equal"

    def _bytes_of(self, tag: str, canary: Canary) -> int:
        """Pull an image from the secondary's registry as a client would; returns how many bytes it has."""
        with opened(self.registries, SECONDARY, self._copy) as here:
            manifest = here.get_manifest(tag)
            if manifest is None or manifest.content != canary.manifest.content:
                other = "nothing" if manifest is None else manifest.digest
                raise NotSeen(f"the registry has {other} under {tag}, not {canary.digest}")
            size = len(manifest.content)
            for blob in manifest.blobs:
                with here.open_blob(blob) as reader:
                    while read := reader.read():  # checks the digest at the end
                        size += len(read)
        return size

    def _wait(self, look: Any, what: str) -> Any:
        return wait_for(look, what, clock=self.place.clock, timeout_s=self.timeout_s)

    def _since(self, began_s: float) -> str:
        return f"{self.place.clock.monotonic_s() - began_s:.1f} s"


def _known(look: Callable[[], float | None]) -> float | FailedLook | None:
    """Look once. Raises NotKnown with the error that no further look mends, such as a missing permission."""
    try:
        return look_once(look)
    except (BotoCoreError, ClientError) as error:
        raise NotKnown(str(error)) from None
