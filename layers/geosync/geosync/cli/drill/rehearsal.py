"""The parts of a drill in their order, at one site, as its stack's parameters say."""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.awaited import StackAwaited
from geosync.cli.failover.losses import losses_document, read_losses
from geosync.cli.failover.quiet_update import DRAIN_SECONDS, LOOKS, POLL_SECONDS, tag_writers, work_left
from geosync.cli.failover.rehearsed_update import rehearse_update
from geosync.cli.failover.stack_update import PROMOTION, last_update_s
from geosync.cli.following import FailedLook, look_once
from geosync.cli.registries import open_site_registry
from geosync.cli.site import StackSite
from geosync.drilling.both import BothRegistries
from geosync.drilling.canary import Canary
from geosync.drilling.findings import CanaryFound, DrillFound, Listed, RecoveryTime, SampleFound, TruthFound
from geosync.drilling.sample import Sample
from geosync.drilling.truth import Tag, Truth
from geosync.errors import GeosyncError
from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.operating.status import Status
from geosync.reading.arrival import AwaitedImage
from geosync.sync_registry.items import Reference

LOOK_SECONDS = 1.0
"""Between two looks for the canary."""
KEPT_LOST = 100
"""References that would be lost, that a report names."""
PARALLEL = 8
"""Requests to the registries at a time: they serve clients meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOptions:
    """The canary's repository, the secret to push it with, and the bounds of a drill."""

    repository: str
    push_secret_arn: str | None
    timeout_s: float
    sample: int
    most_bytes: int
    most_tags: int


class Rehearsal:
    """One drill. Nothing of the site is changed: it pushes one image to the primary, and otherwise only reads."""

    def __init__(
        self, site: StackSite, registries: BothRegistries, options: DrillOptions, deadline: Deadline, drill_id: str
    ) -> None:
        self._site = site
        self._registries = registries
        self._options = options
        self._deadline = deadline
        self._drill_id = drill_id
        self._sync_registry = site.sync_registry.under(site.primary_topic)

    def run(self, pool: Executor) -> DrillFound:
        """Carry out the drill; the requests to the registries run in `pool`."""
        canary = self._canary()
        _say(f"reading what promote would list at {self._site.name} …")
        began_s = self._site.clock.monotonic_s()
        losses = read_losses(self._site)
        listing_s = self._site.clock.monotonic_s() - began_s
        listed = _listed(losses.status, **losses.unmarked)
        truth, sample = self._compare(pool, losses.status, canary)
        _say("having CloudFormation work out the update …")
        return DrillFound(
            canary=canary,
            listed=listed,
            truth=truth,
            sample=sample,
            update=rehearse_update(self._site, PROMOTION),
            recovery_time=self._recovery_time(listing_s),
        )

    def _canary(self) -> CanaryFound:
        site, repository, tag = self._site, self._options.repository, self._site.name
        found = CanaryFound(repository=repository, tag=tag)
        if not self._registries.selection.has_tag(repository, tag):
            return replace(found, why=f"{repository}:{tag} is outside the selection of {site.name} (--repository)")
        _say(f"pushing the canary {repository}:{tag} to the primary …")
        canary, pushed_at = Canary.of(self._drill_id, site.name), site.clock.now_ms()
        try:
            secret_arn = self._options.push_secret_arn
            registry = open_site_registry(site, "PrimaryRegistry", self._deadline, secret_arn=secret_arn, writes=True)
            with closing(registry):
                canary.push(Repository(registry, repository), tag)
        except (GeosyncError, BotoCoreError, ClientError) as error:
            return replace(found, why=str(error))
        found = replace(found, digest=canary.digest, pushed_at=pushed_at, waited_s=self._options.timeout_s)
        return self._awaited(found, canary.digest, pushed_at)

    def _awaited(self, found: CanaryFound, digest: str, pushed_at: int) -> CanaryFound:
        """Look for the canary at the site until it was seen there, or the time is over. Nothing is marked for it."""
        clock, awaited = self._site.clock, StackAwaited(self._site)
        reference = Reference.tag(found.tag)
        image = AwaitedImage(repository=found.repository, reference=reference, digest=digest, since_ms=pushed_at)
        began_s = clock.monotonic_s()
        while True:
            look = look_once(lambda: awaited.look(image))
            waited_s = clock.monotonic_s() - began_s
            if not isinstance(look, FailedLook) and look.state == "here":
                return replace(found, arrived_s=waited_s)
            if waited_s >= self._options.timeout_s:
                return replace(found, why=look.why if isinstance(look, FailedLook) else look.reason)
            clock.sleep(LOOK_SECONDS)

    def _compare(self, pool: Executor, status: Status, canary: CanaryFound) -> tuple[TruthFound, SampleFound]:
        options = self._options
        _say("comparing with what the primary has …")
        truth = Truth(self._registries, self._sync_registry, pool, most_tags=options.most_tags)
        compared = truth.compare()
        found = truth.judge(
            compared,
            [(one.repository, one.reference) for one in status.would_be_lost],
            all_listed=not (status.more_owed or status.more_parked),
            settle_s=float(self._site.parameters.get("SettleSeconds") or 30),
        )
        chosen = compared.sample(options.sample, self._rank)
        if canary.arrived_s is not None and (canary.repository, canary.tag) not in chosen:
            chosen.append((canary.repository, canary.tag))
        _say(f"pulling {len(chosen)} references from {self._site.name} …")
        return found, Sample(self._registries, pool, most_bytes=options.most_bytes).pull(chosen)

    def _rank(self, tag: Tag) -> str:
        """The place of a tag in an order that is another one in each drill."""
        return hashlib.sha256(f"{self._drill_id} {tag[0]}:{tag[1]}".encode()).hexdigest()

    def _recovery_time(self, list_s: float) -> RecoveryTime:
        copies = work_left(tag_writers(self._site, self._site.clock.now_ms()))
        return RecoveryTime(
            list_s=list_s,
            wait_s=(LOOKS - 1) * POLL_SECONDS,
            wait_at_most_s=DRAIN_SECONDS if copies else 0.0,
            update_s=last_update_s(self._site),
            copies=copies,
        )


def _listed(status: Status, *, events_waiting: int, dead_letters: int) -> Listed:
    """The list as promote has it, the first of its references by name."""
    document = losses_document(status)
    return Listed(
        at=status.at,
        recovery_point=document["recovery_point"],
        unknown_because=document["recovery_point_unknown_because"],
        lost=tuple(document["lost"][:KEPT_LOST]),
        lost_references=len(document["lost"]),
        more_lost=document["more_lost"],
        parked=sum(one.parked for one in status.would_be_lost),
        events_waiting=events_waiting,
        dead_letters=dead_letters,
    )


def _say(text: str) -> None:
    """Say what is done now: a drill takes a while."""
    click.echo(text, err=True)
