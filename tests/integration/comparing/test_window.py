"""Outside the backfill window only finds of comparisons wait; everything else is copied."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.integration.secondary import Secondary, pushed
from tests.support.images import ImageMaker

from geosync.clock import SYSTEM_CLOCK
from geosync.comparing.window import ANY_TIME, BackfillWindow
from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.pair.selection import Selection
from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Comparison, Mark

HOUR_MS = 3_600_000
WALK = 1_700_000_000_000


def opens_in_three_hours() -> BackfillWindow:
    begins = datetime.now(UTC) + timedelta(hours=3)
    return BackfillWindow.parse(f"{begins:%H:%M}-{begins + timedelta(hours=1):%H:%M} UTC")


def use(secondary: Secondary, window: BackfillWindow) -> None:
    secondary.options = replace(secondary.options, window=window)
    secondary.open()


def resync(secondary: Secondary, repository: str, reference: Reference) -> None:
    asked = WorkMessage(repository=repository, reason="resync", references=(reference,))
    secondary.receive(asked.to_json())


def test_what_only_a_comparison_found_waits_for_the_window(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    made = {tag: make.image(repository, tag, layers=1) for tag in ("found", "pushed", "asked")}
    found = Comparison(walk=WALK)
    secondary.sync_registry.mark(repository, Reference.whole(), Mark(comparison=found))
    secondary.sweep()  # the window is not set yet: the comparison marks what it finds, and copies it
    assert {tag: secondary.digest(repository, tag) for tag in made} == {tag: one.digest for tag, one in made.items()}

    use(secondary, opens_in_three_hours())
    made = {tag: make.image(repository, tag, layers=1) for tag in made}
    for tag in made:
        secondary.sync_registry.mark(repository, Reference.tag(tag), Mark(comparison=found))
    secondary.sync_registry.mark(repository, Reference.whole(), Mark(comparison=found))
    secondary.reset()
    secondary.sweep()

    assert secondary.primary_proxy.counts() == secondary.secondary_proxy.counts() == {}
    now_ms = SYSTEM_CLOCK.now_ms()
    for owed in secondary.owed(repository):
        assert owed.due is not None
        assert 2 * HOUR_MS < owed.due - now_ms <= 3 * HOUR_MS
        assert (owed.attempts, owed.failure) == (0, None)

    secondary.receive(pushed(made["pushed"]))
    resync(secondary, repository, Reference.tag("asked"))
    assert {owed.reference.seen_key for owed in secondary.owed(repository)} == {"*", "tag#found"}
    for tag in ("pushed", "asked"):
        assert secondary.digest(repository, tag) == made[tag].digest

    use(secondary, ANY_TIME)
    secondary.sweep_until(lambda: not secondary.owed(repository), passing=3600)
    assert secondary.digest(repository, "found") == made["found"].digest


def test_a_resync_of_the_whole_repository_does_not_wait_with_what_it_finds(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    use(secondary, opens_in_three_hours())
    made = make.image(repository, "v1", layers=1)
    secondary.sync_registry.mark(repository, Reference.whole(), Mark(comparison=Comparison(walk=WALK)))
    secondary.sweep()
    assert secondary.digest(repository, "v1") is None

    resync(secondary, repository, Reference.whole())

    assert secondary.owed(repository) == []
    assert secondary.digest(repository, "v1") == made.digest


def test_a_resync_of_a_repository_brings_forward_what_waited_for_the_window(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    use(secondary, opens_in_three_hours())
    made = make.image(repository, "v1", layers=1)
    found = Mark(comparison=Comparison(walk=WALK))
    secondary.sync_registry.fail(
        secondary.sync_registry.mark(repository, Reference.tag("v1"), found), "503", parked=True
    )

    resync(secondary, repository, Reference.whole())

    assert secondary.owed(repository) == []
    assert secondary.digest(repository, "v1") == made.digest


def test_a_walk_that_somebody_asked_for_waits_for_no_window(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    # The registry has what other tests have pushed, hundreds of repositories: they are not this site's.
    secondary.registries = replace(secondary.registries, selection=Selection.parse(include_repositories=repository))
    use(secondary, opens_in_three_hours())
    made = make.image(repository, "v1", layers=1)
    secondary.sync_registry.catalogue.ask()
    secondary.receive(CatalogueMessage().to_json())
    secondary.sweep_until(lambda: not secondary.owed(repository), passing=0)
    assert secondary.digest(repository, "v1") == made.digest
