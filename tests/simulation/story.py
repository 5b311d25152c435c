"""A story: what clients, faults and operators do in one world, drawn from its seed, and then a rest without faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from tests.simulation.clients import Client
from tests.simulation.invariants import View, is_settled, look, violations
from tests.simulation.metrics import Measured, Scene, false_metrics
from tests.simulation.registry.storage import Backup
from tests.simulation.site import Site
from tests.simulation.topics import AT_ONCE_S
from tests.simulation.world import Rules, Violation, World

Deed = Callable[["Story"], None]
REPOSITORIES = ("group/app", "group/web", "team/db", "team/sub/tool", "solo")
TAGS = ("latest", "v1", "v2", "v3", "stable")
JUDGED_STEPS = 20
"""The words of a site are judged after one step in so many, by lot; they are after each deed and minute anyway."""
REST_S = 5400.0
"""After the last fault, everything is right by then: a reference that failed all the time is tried again before."""


def rules_of(seed: int) -> Rules:
    """The parameters of the sites in a seed's world."""
    random = Random(f"rules {seed}")
    return Rules(
        comparison_s=random.choice((120, 300, 600)),
        verification_s=random.choice((0, 300, 1200)),
        deletion_delay_s=random.choice((0, 0, 60)),
        max_staleness_s=Random(f"staleness {seed}").choice((0, 5, 60, 300)),
        shared_copy_bytes=Random(f"help {seed}").choice((0, 1)),
        max_bandwidth=Random(f"bandwidth {seed}").choice((0, 0, 0, 2000)),
    )


@dataclass(slots=True)
class Story:
    """One world while its story goes on. `shared` are the layers that images have in common."""

    world: World
    deeds: list[tuple[float, Deed]]
    shared: list[bytes] = field(default_factory=list)
    backups: dict[str, Backup] = field(default_factory=dict)
    """Of each site's registry, the last."""
    judged_steps: int = JUDGED_STEPS
    lots: Random = field(init=False)
    """Decides after which steps: apart from what happens, which stays the same."""
    true: dict[str, tuple[object, ...]] = field(default_factory=dict)
    """What each site's words were compared with when they were true last, in few numbers."""

    def __post_init__(self) -> None:
        self.lots = Random(f"judged {self.world.seed}")

    @property
    def repositories(self) -> tuple[str, ...]:
        """The repositories of this world: in one with few of them, deeds meet more often."""
        return REPOSITORIES[: Random(f"repositories {self.world.seed}").choice((1, 2, len(REPOSITORIES)))]

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that clients use in this world."""
        return TAGS[: Random(f"tags {self.world.seed}").choice((1, 2, len(TAGS)))]

    @property
    def random(self) -> Random:
        """The random choices of the story."""
        return self.world.random

    @property
    def primary(self) -> Site:
        """The site that clients push to."""
        return self.world.primary

    @property
    def secondaries(self) -> list[Site]:
        """The sites that follow the primary."""
        return [site for site in self.world.sites.values() if self.world.follows(site, self.primary)]

    def site(self) -> Site:
        """Any site."""
        return self.random.choice(list(self.world.sites.values()))

    def secondary(self) -> Site:
        """Any secondary."""
        return self.random.choice([site for site in self.world.sites.values() if site is not self.primary])

    def client(self) -> Client:
        """A client of the primary's registry."""
        return Client(self.primary.server, self.world.scheduler, self.random)

    def tell(self, text: str) -> None:
        """Add a line to the story."""
        self.world.note(f"** {text}")

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after so many seconds."""
        self.world.scheduler.spawn(do, "later", self.world.place, delay_s=seconds)

    def go(self, minutes: float) -> None:
        """Let deeds happen for some minutes."""
        scheduler = self.world.scheduler
        until_s = scheduler.now_s + minutes * 60
        weights = [weight for weight, _ in self.deeds]
        deeds = [deed for _, deed in self.deeds]
        while scheduler.now_s < until_s:
            scheduler.sleep(self.random.choice((0.05, 1.0, 10.0, 40.0)) * self.random.random())
            (deed,) = self.random.choices(deeds, weights)
            deed(self)
            self.judge()

    def judge(self) -> None:
        """Compare each secondary's words with the truth. Raises Violation."""
        for site in self.world.sites.values():
            self.judge_site(site)

    def judge_step(self) -> None:
        """Judge a site between other steps, after one step in `judged_steps`."""
        if self.world.scheduler.failure is not None or self.lots.random() * self.judged_steps >= 1:
            return
        try:
            self.judge_site(self.lots.choice(list(self.world.sites.values())))
        except Violation as error:
            self.world.scheduler.fail(error)

    def judge_site(self, site: Site) -> None:
        """Ask one site that follows the primary. Raises Violation."""
        world = self.world
        if world.scheduler.failure is not None:
            raise world.scheduler.failure
        if not world.follows(site, self.primary):
            return
        seen = self._seen(site)
        if seen is not None and seen == self.true.get(site.name):
            return
        for text in violations(self.view(site)):
            world.note(f"!! {text}")
            raise Violation(text)
        if seen is not None:
            self.true[site.name] = seen

    def _seen(self, site: Site) -> tuple[object, ...] | None:
        """Everything that a sentence depends on, in few numbers: while they are the same, what was true still is.

        None: the index of what is owed may still move by itself.
        """
        world, primary = self.world, self.primary
        ledger, events = world.ledgers[site.name], world.ledgers[primary.name]
        if not is_settled(world.scheduler.now_s, ledger):
            return None
        return (
            ledger.changed_s,
            site.server.storage.changes,
            primary.server.storage.changes,
            len(ledger.marked),
            len(events.taken),
            *(one.marks_until_s for one in site.selections.periods),
            *(one.until_s for one in site.selections.periods),
            (primary.name, primary.skew_ms, site.skew_ms, world.clocks_ms, world.followed_s[site.name]),
            tuple(site.parameters.items()),
        )

    def judge_metric(self, site: Site, measured: Measured) -> None:
        """Judge a metric of a running function of a secondary, unless its invocation began at the primary."""
        if self.world.follows(site, self.primary) and self.world.followed_s[site.name] < measured.began_s:
            scene = Scene(
                now_s=self.world.scheduler.now_s,
                site=site,
                ledger=self.world.ledgers[site.name],
                clocks_ms=self.world.clocks_ms,
                view=lambda: self.view(site),
            )
            for text in false_metrics(scene, measured):
                self.world.violated(text)

    def view(self, site: Site) -> View:
        """A secondary's words now, and the truth."""
        world = self.world
        view = look(site, self.primary, world.ledgers, world.scheduler.now_s)
        view.clocks_ms, view.followed_s = world.clocks_ms, world.followed_s[site.name]
        return view

    def end_faults(self) -> None:
        """Calm weather everywhere, from now on."""
        self.tell("the faults end")
        for site in self.world.sites.values():
            for weather in (site.dynamodb, site.sqs, site.sns, site.secrets):
                weather.calm()
            for function in site.functions.values():
                function.kills = function.throttled = 0.0
            for queue in site.queues.values():
                queue.twice = 0.0
            self.world.wire.faults[site.server.host].calm()
            site.server.is_down = site.server.is_read_only = False
            site.server.habits = replace(site.server.habits, has_catalogue=True, refuses_signed=0.0)
            site.notifier.loses = site.notifier.twice = 0.0
            site.topic.twice, site.topic.late_s = 0.0, AT_ONCE_S
            self.world.minutes[site.name].calm()
