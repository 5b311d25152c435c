"""What goes wrong: each fault begins, and ends by itself after a while."""

from __future__ import annotations

from tests.simulation.calls import Weather
from tests.simulation.clients import make_image
from tests.simulation.site import Site
from tests.simulation.story import Deed, Story
from tests.simulation.topics import AT_ONCE_S, LATE_S


def _weather(story: Story, service: str, weather: Weather) -> None:
    random = story.random
    weather.refused, weather.lost = random.choice(((0.3, 0.0), (0.05, 0.1), (0.0, 0.2), (0.9, 0.05)))
    weather.slow = random.choice((0.0, 0.2))
    story.tell(f"{service} fails: {weather}")
    story.later(random.random() * 90, weather.calm)


def dynamodb(story: Story) -> None:
    """DynamoDB throttles, or its answers get lost."""
    site = story.site()
    _weather(story, f"{site.name}: DynamoDB", site.dynamodb)


def sqs(story: Story) -> None:
    """SQS refuses, or its answers get lost."""
    site = story.site()
    _weather(story, f"{site.name}: SQS", site.sqs)


def sns(story: Story) -> None:
    """SNS refuses, or delivers twice."""
    site = story.primary
    site.topic.twice = 0.5
    _weather(story, f"{site.name}: SNS", site.sns)


def kills(story: Story) -> None:
    """Invocations of one function are killed at one of their calls."""
    site = story.site()
    function = story.random.choice(list(site.functions.values()))
    function.kills = story.random.choice((0.3, 0.8))
    function.most_calls = story.random.choice((10, 60, 200))
    story.tell(f"{site.name}: invocations of {function.name} are killed ({function.kills})")

    def end() -> None:
        function.kills = 0.0

    story.later(story.random.random() * 120, end)


def wire(story: Story) -> None:
    """The way to a registry is bad."""
    random = story.random
    site = story.site()
    faults = story.world.wire.faults[site.server.host]
    kind = random.choice(("refused", "errors", "throttled", "cut", "hangs"))
    setattr(faults, kind, random.choice((0.05, 0.3, 0.8)))
    story.tell(f"{site.name}: the registry: {faults}")
    story.later(random.random() * 90, faults.calm)


def late_writes(story: Story) -> None:
    """Tags that are written at a secondary are not answered, and may be written long after."""
    site = story.secondary()
    faults = story.world.wire.faults[site.server.host]
    faults.tag_writes = 0.5
    story.tell(f"{site.name}: the registry is slow to take tags")
    story.later(story.random.random() * 60, faults.calm)


def overtaken_write(story: Story) -> None:
    """A tag that is written at a secondary is not answered; it is pushed again before that write lands."""
    site, random = story.secondary(), story.random
    repository, tag = random.choice(story.repositories), random.choice(story.tags)
    faults = story.world.wire.faults[site.server.host]
    faults.tag_writes = 1.0
    story.tell(f"{site.name}: the registry does not answer who writes a tag; push {repository}:{tag}")
    story.client().push(repository, tag, [make_image(random, story.shared)])

    def push_again() -> None:
        faults.calm()
        story.tell(f"push {repository}:{tag} again")
        story.client().push(repository, tag, [make_image(random, story.shared)])

    story.later(15 + random.random() * 20, push_again)


def restart(story: Story) -> None:
    """A registry restarts, and loses the notifications that it had not delivered."""
    site = story.site()
    story.tell(f"{site.name}: the registry restarts, {len(site.notifier.waiting)} notifications are lost")
    site.server.is_down = True
    site.notifier.restart()
    story.later(story.random.choice((1.0, 20.0, 100.0)) * story.random.random(), lambda: _up(site))


def _up(site: Site) -> None:
    site.server.is_down = False


def lose_notifications(story: Story) -> None:
    """The primary's registry posts only some of its notifications, or some twice."""
    notifier = story.primary.notifier
    notifier.loses, notifier.twice = story.random.choice(((0.3, 0.0), (1.0, 0.0), (0.0, 0.5)))
    story.tell(f"the primary's registry loses {notifier.loses} of its notifications, and repeats {notifier.twice}")

    def end() -> None:
        notifier.loses = notifier.twice = 0.0

    story.later(story.random.random() * 60, end)


def late_tags(story: Story) -> None:
    """The primary's registry writes a tag some time after its notification."""
    server, random = story.primary.server, story.random
    story.tell("the primary's registry is slow to write tags")
    longest_s = random.choice((0.5, 5.0))
    server.tag_gap_s = lambda: random.random() * longest_s

    def end() -> None:
        server.tag_gap_s = lambda: 0.0

    story.later(random.random() * 120, end)


def messages_twice(story: Story) -> None:
    """A queue delivers some messages more than once."""
    site = story.secondary()
    queue = site.queues[story.random.choice(("events", "live", "work"))]
    queue.twice = 0.5
    story.tell(f"{queue.name} delivers twice")

    def end() -> None:
        queue.twice = 0.0

    story.later(story.random.random() * 120, end)


def late_events(story: Story) -> None:
    """The primary's topic delivers late, and in another order."""
    topic = story.primary.topic
    topic.late_s = LATE_S
    story.tell("the topic delivers late")

    def end() -> None:
        topic.late_s = AT_ONCE_S

    story.later(story.random.random() * 120, end)


def unsubscribe(story: Story) -> None:
    """Somebody deletes a secondary's subscription to the primary's topic; its next minute makes another."""
    site = story.secondary()
    story.tell(f"{site.name}: its subscription is deleted")
    story.primary.topic.unsubscribe(site.queues["events"])
    if story.random.random() < 0.5:
        repository, tag = story.random.choice(story.repositories), story.random.choice(story.tags)
        story.tell(f"push {repository}:{tag}")
        story.client().push(repository, tag, [make_image(story.random, story.shared)])


def skew(story: Story) -> None:
    """A site's clock is off, or is set right."""
    site = story.site()
    site.skew_ms = story.random.choice((0, 0, 1500, -1500, 12_000, -12_000))
    story.world.clocks_ms = max(story.world.clocks_ms, 2 * abs(site.skew_ms))
    story.tell(f"{site.name}: the clock is {site.skew_ms} ms off")


def minutes_twice(story: Story) -> None:
    """EventBridge starts each minute of a site twice. Only in a run that is about it: other worlds have it by lot."""
    site = story.site()
    minutes = story.world.minutes[site.name]
    minutes.twice = 1.0
    story.tell(f"{site.name}: each minute comes twice")
    story.later(120 + story.random.random() * 120, minutes.calm)


DEEDS: list[tuple[float, Deed]] = [
    (0.6, dynamodb),
    (0.3, sqs),
    (0.3, sns),
    (0.6, kills),
    (0.8, wire),
    (0.2, late_writes),
    (0.2, overtaken_write),
    (0.3, restart),
    (0.3, lose_notifications),
    (0.3, late_tags),
    (0.3, messages_twice),
    (0.3, late_events),
    (0.3, skew),
    (0.2, unsubscribe),
    (0.0, minutes_twice),
]
