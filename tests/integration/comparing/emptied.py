"""A primary that loses tags, and a secondary that has them: shared by the tests of deletes."""

from __future__ import annotations

import shutil

from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, pushed, quick
from tests.support.images import ImageMaker, Made

from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.findings import Finding

WINDOW = 0.3
QUICK = quick(settle=0.3, suspect=0.5)


def fill(secondary: Secondary, make: ImageMaker, repository: str, number: int) -> dict[str, Made]:
    """So many tags at both registries, each of an image of its own."""
    images = {f"v{one}": make.image(repository, f"v{one}", layers=1) for one in range(number)}
    secondary.receive(*map(pushed, images.values()))
    return images


def empty(primary: Place) -> None:
    """Empty the registry's disk."""
    shutil.rmtree(next(primary.registry.folder.rglob("docker")))


def compare(secondary: Secondary, repository: str, *, if_absent: str | None = None) -> Finding | None:
    """Compare the repository, work off what that brings, and let the window and the next minute pass."""
    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),), if_absent=if_absent)
    secondary.receive(whole.to_json())
    secondary.sweep_until(lambda: not secondary.owed(repository))
    secondary.decide_about_deletes()
    secondary.have_passed(WINDOW)
    return secondary.sync_registry.findings.get(repository)


def digests(secondary: Secondary, images: dict[str, Made]) -> dict[str, str | None]:
    return {tag: secondary.digest(made.repository, tag) for tag, made in images.items()}


def here(images: dict[str, Made]) -> dict[str, str | None]:
    return {tag: made.digest for tag, made in images.items()}
