"""A repository's name is told once: below the pair, only the repositories of the pair know it."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from tests.unit.syncing.test_holder import REPOSITORY, Site
from tests.unit.test_layers import LAYERS

from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Mark

PREFIX = "mirror/"
NAMES = (REPOSITORY, PREFIX + REPOSITORY)
ROOMS_ABOVE = ["working.worker"]
"""The way from functions/sync/app.py to the holder."""
MOST_ROOMS = 8
"""Modules from the handler to a PUT."""


def handed_the_name(frame: FrameType) -> bool:
    """Whether the function that was called has a repository's name as an argument."""
    code = frame.f_code
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return any(isinstance(given := frame.f_locals.get(one), str) and given in NAMES for one in arguments)


def test_from_the_holder_to_the_put_no_module_passes_the_repositorys_name_on() -> None:
    site = Site(prefix=PREFIX)
    image = site.primary.add_image(b"layer", tag="v1")
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=image.digest))
    handed: set[str] = set()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and handed_the_name(frame):
            handed.add(str(frame.f_globals["__name__"]))

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        site.hold()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)

    assert site.secondary.tagged == {"v1": image.digest}
    assert "geosync.pair.registries" in handed, "it makes the pair"
    # It tells other holders which repositories have a blob: those have names.
    assert {one for one in handed if one.startswith("geosync.copying")} == {"geosync.copying.sharing"}
    # Who asks the sync registry what is due, and who tells operators: neither is on the way to the PUT.
    assert {one for one in handed if one.startswith("geosync.syncing")} == {
        "geosync.syncing.backlog",
        "geosync.syncing.reporting",
    }


def test_the_call_stack_of_a_put_enters_each_module_once() -> None:
    site = Site()
    image = site.primary.add_image(b"layer", tag="v1")
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=image.digest))
    ways: dict[str, list[str]] = {}

    def before(verb: str, what: str) -> None:
        ways[verb] = modules_on_the_stack()

    site.primary.before = site.secondary.before = before
    site.hold()

    looks = ["syncing.holder", "syncing.reference", "oci.repository"]
    assert ways["GET manifest"] == ways["HEAD manifest"] == looks
    assert ways["PUT manifest"] == ["copying.workers", "copying.copy", "oci.repository"]
    assert ways["PUT blob"] == ["copying.workers", "copying.copy", "copying.blobs"]
    for verb in ("PUT manifest", "PUT blob"):
        way = [*ROOMS_ABOVE, *looks[:-1], *ways[verb]]
        floors = [next(floor for floor, parts in enumerate(LAYERS) if room.partition(".")[0] in parts) for room in way]
        assert len(way) <= MOST_ROOMS
        assert floors == sorted(floors, reverse=True), "it climbs back"


def modules_on_the_stack() -> list[str]:
    """The library's modules that this thread is in, the outermost first, each as often as it was entered."""
    entered: list[str] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        name = str(frame.f_globals["__name__"])
        if name.startswith("geosync.") and name != "geosync.threads" and entered[-1:] != [name]:
            entered.append(name)
        frame = frame.f_back
    return [one.removeprefix("geosync.") for one in reversed(entered)]
