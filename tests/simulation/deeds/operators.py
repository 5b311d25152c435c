"""What operators do, with the library's own actions. One whom AWS does not answer tries again later, or never."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from tests.simulation.calls import Caller
from tests.simulation.site import Site
from tests.simulation.story import Deed, Story
from tests.simulation.truth import cut_below, kind_of
from tests.support.letters import no_event

from geosync.errors import GeosyncError
from geosync.operating import actions, deletions
from geosync.operating.dead_letters import MOST, DeadLetters
from geosync.sync_registry.items import KEEP, Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.verifying.reverify import reverify


def act(story: Story, what: str, do: Callable[[], object]) -> None:
    """Have an operator do something, beside everything else that happens."""

    def run() -> None:
        try:
            do()
        except (BotoCoreError, ClientError, GeosyncError) as error:
            story.tell(f"{what}: {type(error).__name__}: {error}")

    story.tell(what)
    story.world.scheduler.spawn(run, "operator", Caller("operator"))


def sync_registry(site: Site) -> SyncRegistry:
    """The site's sync registry, as an operator reaches it."""
    return SyncRegistry.open(site.client("dynamodb"), f"{site.name}-sync")


def pause(story: Story) -> None:
    """Pause a secondary, and let it go on after a while."""
    site = story.secondary()
    act(story, f"{site.name}: pause", lambda: sync_registry(site).pause("a reason"))
    story.later(story.random.random() * 120, lambda: resume(story, site))


def resume(story: Story, site: Site) -> None:
    """End a pause."""
    act(story, f"{site.name}: resume", sync_registry(site).resume)


def resync(story: Story) -> None:
    """Resync a repository, or a tag of it, which may be nowhere; sometimes what the primary lacks is to stay."""
    site, random = story.secondary(), story.random
    repository = random.choice((*story.repositories, "no/such"))
    references = random.choice(((), (Reference.tag(random.choice(story.tags)),)))
    keep = random.random() < 0.3
    url = site.queues["work"].url
    if keep:
        site.kept |= {(repository, one.value) for one in references} or {(repository, None)}
    act(
        story,
        f"{site.name}: resync {repository} {references}{', and keep what is here' if keep else ''}",
        lambda: actions.resync(site.client("sqs"), url, repository, references, if_absent=KEEP if keep else None),
    )


def resync_failed(story: Story) -> None:
    """Mark anew all that has failed."""
    site = story.secondary()
    act(story, f"{site.name}: resync failed", lambda: actions.resync_failed(sync_registry(site)))


def resync_all(story: Story) -> None:
    """Have everything compared."""
    site = story.secondary()

    def do() -> None:
        now_ms = sync_registry(site)._clock.now_ms()
        actions.resync_all(sync_registry(site), site.client("sqs"), site.queues["work"].url, now_ms=now_ms)

    act(story, f"{site.name}: resync all", do)


def verify(story: Story) -> None:
    """Have a repository verified."""
    verify_at(story, story.secondary(), story.random.choice(story.repositories))


def verify_at(story: Story, site: Site, repository: str) -> None:
    """Have a repository of one site verified."""
    url = site.queues["work"].url
    act(story, f"{site.name}: verify {repository}", lambda: reverify(site.client("sqs"), url, repository))


def replay(story: Story) -> None:
    """Replay the dead letters."""
    replay_at(story, story.secondary())


def _letters(site: Site) -> DeadLetters:
    queues = site.queues
    return DeadLetters(
        site.client("sqs"),
        dlq_url=queues["dlq"].url,
        events_url=queues["events"].url,
        work_url=queues["work"].url,
        hand_over=no_event,
    )


def replay_at(story: Story, site: Site) -> None:
    """Replay the dead letters of one site."""
    queues = site.queues
    letters = _letters(site)
    what = f"{site.name}: replay {len(queues['dlq'].messages)} dead letters"
    act(story, what, lambda: list(letters.replay_some(MOST)))


def discard_at(story: Story, site: Site) -> None:
    """Discard the messages of one site that could not be read."""
    queues = site.queues
    ids = [one.id for one in queues["dlq"].messages.values() if kind_of(one) == "refused"]
    letters = _letters(site)
    act(story, f"{site.name}: discard {len(ids)}", lambda: list(letters.discard(ids, lambda _: None)))


def resume_deletes(story: Story) -> None:
    """Accept what comparisons found missing."""
    resume_deletes_at(story, story.secondary())


def resume_deletes_at(story: Story, site: Site) -> None:
    """Accept what comparisons of one site found missing."""
    site.selections.accepted_s = story.world.scheduler.now_s
    act(story, f"{site.name}: resume deletes", lambda: deletions.resume(sync_registry(site)))


def put_right(story: Story) -> None:
    """What operators do once the faults are over: nothing stays paused, suspended, parked or in the DLQ.

    Where a registry was restored, and nothing is verified by itself, they have verified what may lack layers.
    """
    for site in story.secondaries:
        if "pause" in site.table.partitions.get("#site", {}):
            resume(story, site)
        if "suspended_at" in site.table.partitions.get("#site", {}).get("deletes", {}):
            resume_deletes_at(story, site)
        if site.parameters["VERIFICATION_SECONDS"] == "0":
            for repository in cut_below(site.server.storage):
                verify_at(story, site, repository)
        # The minute removes what stands for a reference that is here: that is no operator's to do.
        letters = site.queues["dlq"].messages.values()
        if any(kind_of(one) == "refused" for one in letters):
            discard_at(story, site)
        elif any(one.is_parked for one in story.world.ledgers[site.name].owed.values()) or any(
            kind_of(one) != "parked" for one in letters
        ):
            replay_at(story, site)


DEEDS: list[tuple[float, Deed]] = [
    (0.3, pause),
    (0.5, resync),
    (0.2, resync_failed),
    (0.2, resync_all),
    (0.2, verify),
    (0.3, replay),
    (0.1, resume_deletes),
]
