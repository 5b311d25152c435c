"""One run: the steps in their order, and the removal of all that was made, however they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from geosync.aws.regions import opted_in
from geosync.cli.smoke import leftovers, stacks
from geosync.cli.smoke.leftovers import Leftover
from geosync.cli.smoke.names import PRIMARY, SECONDARY, SIDES, Side, SmokePlace
from geosync.cli.smoke.package import SmokePackage
from geosync.cli.smoke.promises import Promises
from geosync.cli.smoke.registries import SmokeRegistries
from geosync.cli.smoke.steps import NotSeen, SmokeStep, Steps

OURS = frozenset(
    {
        *("SiteName", "SiteRole", "PrimaryTopicArn", "IncludeRepositories", "RepositoryPrefix", "OptInRegions"),
        *("LocalRegistryUrl", "LocalRegistrySecretArn", "PrimaryRegistryUrl", "PrimaryRegistrySecretArn"),
        *("NotificationSource", "ApiLogging", "CodeBucket", "CodePrefix"),
    }
)
"""Parameters of the sites that a run decides itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeOptions:
    """The rest that a run is given: parameters of both sites beside its own, and bounds in seconds."""

    package: SmokePackage
    parameters: Mapping[str, str]
    timeout_s: float
    metrics_timeout_s: float
    keep: bool = False


@dataclass(slots=True, kw_only=True)
class SmokeRun:
    """Takes the steps. `say` gets each step as it ends, `tell` what is done meanwhile."""

    place: SmokePlace
    registries: SmokeRegistries
    options: SmokeOptions
    say: Callable[[SmokeStep], None]
    tell: Callable[[str], None]
    left: list[Leftover] = field(default_factory=list)
    """What could not be removed."""
    _urls: dict[str, str] = field(default_factory=dict)

    def run(self) -> list[SmokeStep]:
        """Take all steps, and remove what they made, unless it is to be kept or nothing was begun."""
        steps, clock = Steps(self.place.clock, self.say), self.place.clock
        steps.take("begin", "nothing of this name is there yet", self._begin, needed=True)
        if steps.has_stopped:
            return steps.taken
        promises = Promises(self.place, self.registries, self.options.timeout_s, began_ms=clock.now_ms())
        try:
            self._look(steps, promises)
        finally:
            if not self.options.keep:
                self._take_removal(steps)
        return steps.taken

    def _look(self, steps: Steps, promises: Promises) -> None:
        take = steps.take
        take("registries", "two registries, and an image in the first", promises.push_before, needed=True)
        take("package", "a package's folder is all that is sent", self._send, needed=True)
        take("deploy", "CloudFormation makes two sites of it", self._deploy, needed=True)
        take("subscription", "the secondary follows the primary", promises.follows)
        take("backfill", "an image from before is copied as well", promises.backfills)
        take("push", "a push is there, byte for byte", promises.replicates)
        take("retag", "a tag that is pushed again follows", promises.retags)
        take("delete", "a tag that is deleted is removed", promises.deletes)
        take("metrics", "both sites put their metrics", lambda: promises.measures(self.options.metrics_timeout_s))
        take("recovery point", "it passes the last push", promises.recovers)
        take("promote", "one command makes the secondary the primary, and names what is lost", promises.promotes)
        take("publish", "pushes to the new primary are published", promises.publishes)

    def _begin(self) -> str:
        """Look for what has the run's names: a run of the same id is not this one."""
        found = leftovers.find(self.place, self.registries)
        unknown = next((one for one in found if one.why), None)
        if unknown is not None:
            raise NotSeen(f"a {unknown.words} {unknown.why}")
        if found:
            raise NotSeen(
                f"there is the {found[0].words}, and {len(found) - 1} more: another run's, so nothing is done"
            )
        return f"account {self.place.account}, id {self.place.names.id}"

    def _send(self) -> str:
        for region in self.place.distinct_regions:
            self._urls[region] = self.options.package.send(self.place, region)
        return f"{len(self.options.package.zips)} zips and the template, to {' and '.join(self._urls)}"

    def _deploy(self) -> str:
        for side in SIDES:
            stacks.create(self.place, side, self._urls[self.place.regions[side]], self.parameters(side))
        stacks.await_created(self.place)
        return " and ".join(f"{self.place.names.stack(side)} ({self.place.regions[side]})" for side in SIDES)

    def parameters(self, side: Side) -> dict[str, str]:
        """The parameters of a site."""
        place, names = self.place, self.place.names
        found = {
            **self.options.parameters,
            "SiteName": names.site(side),
            "SiteRole": "primary" if side == PRIMARY else "secondary",
            "ApiLogging": "off",  # it would be a setting of the whole region, which outlives the stack
            **self.registries.parameters(side),
        }
        if side == PRIMARY:
            return found
        found |= {"PrimaryTopicArn": place.topic_arn, "IncludeRepositories": f"{names.prefix}/**"}
        if self.registries.are_one:
            found["RepositoryPrefix"] = names.copies
        named = opted_in([place.regions[PRIMARY]], but=place.regions[SECONDARY])
        return found | ({"OptInRegions": ",".join(named)} if named else {})

    # ------------------------------------------------------------------------------------------------------- removal

    def _take_removal(self, steps: Steps) -> None:
        """Remove everything; steps that stopped do not keep it from that."""
        removal = Steps(self.place.clock, self.say)
        removal.take("removal", "all that was made is removed", self.remove)
        steps.taken += removal.taken

    def remove(self) -> str:
        """Remove what there is of the run. Raises NotSeen where something is left, which `left` names."""
        self.left = leftovers.remove(self.place, self.registries, self.tell)
        if self.left:
            raise NotSeen(f"{len(self.left)} left: " + "; ".join(f"{one.words}: {one.why}" for one in self.left))
        return f"nothing with the name {self.place.names.prefix}… is left in {self.registries.looked_at}"
