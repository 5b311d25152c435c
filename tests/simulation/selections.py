"""A site's selections, now and before, by the world's own reading of the patterns, without the library.

An update changes one function after the other, and an invocation goes on with what it began with. So two selections can
be in force at a time: the former one ends when nobody works with it any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PATTERNS = ("INCLUDE_REPOSITORIES", "EXCLUDE_REPOSITORIES", "INCLUDE_TAGS", "EXCLUDE_TAGS")


@dataclass(frozen=True, slots=True)
class Selection:
    """One value of the four parameters, and what it means."""

    patterns: Mapping[str, str] = field(default_factory=dict)
    has_repository: Callable[[str], bool] = lambda _: True
    has_tag_of_it: Callable[[str], bool] = lambda _: True

    @property
    def parameters(self) -> dict[str, str]:
        """All four parameters."""
        return {**dict.fromkeys(PATTERNS, ""), **self.patterns}

    def has(self, repository: str, tag: str | None) -> bool:
        """A tag is replicated; None: a manifest that was pushed by its digest alone, and that nothing refers to."""
        if tag is None:
            return self.has_repository(repository) and not any(name.endswith("TAGS") for name in self.patterns)
        return self.has_repository(repository) and self.has_tag_of_it(tag)


EVERYTHING = Selection()
SELECTIONS = (
    EVERYTHING,
    Selection({"INCLUDE_REPOSITORIES": "group/**"}, has_repository=lambda name: name.split("/")[0] == "group"),
    Selection({"INCLUDE_REPOSITORIES": "team/*, solo"}, has_repository=lambda name: name in ("team/db", "solo")),
    Selection({"EXCLUDE_REPOSITORIES": "*/app"}, has_repository=lambda name: name != "group/app"),
    Selection({"INCLUDE_TAGS": "v* local"}, has_tag_of_it=lambda tag: tag.startswith("v") or tag == "local"),
    Selection({"EXCLUDE_TAGS": "latest,stable"}, has_tag_of_it=lambda tag: tag not in ("latest", "stable")),
)
"""What operators choose among; they fit the names of the story's repositories and tags."""


@dataclass(slots=True)
class Period:
    """The time for which a selection is in force (seconds of the world); `removes`: OutsideSelection=remove."""

    selection: Selection
    removes: bool
    from_s: float
    until_s: float = math.inf
    marks_until_s: float = math.inf
    """Until then it decided what is marked; whoever had it later decides nothing by it that counts."""

    def has(self, repository: str, tag: str | None) -> bool:
        """The selection of this time has it."""
        return self.selection.has(repository, tag)


class Selections:
    """One site's selections, the newest last."""

    def __init__(self) -> None:
        self.periods = [Period(EVERYTHING, removes=False, from_s=0.0)]
        self.accepted_s = -1.0
        """When an operator last said that deletes go on."""

    def change(self, selection: Selection, *, removes: bool, now_s: float) -> None:
        """Begin another one; the former one goes on until `settle`."""
        self.periods.append(Period(selection, removes, now_s))

    def settle_marks(self, now_s: float) -> None:
        """Nobody marks by a former one any more."""
        for one in self.periods[:-1]:
            one.marks_until_s = min(one.marks_until_s, now_s)

    def settle(self, now_s: float) -> None:
        """Nobody works with a former one any more."""
        for one in self.periods[:-1]:
            one.until_s = min(one.until_s, now_s)

    @property
    def is_settled(self) -> bool:
        """Everybody works with the newest one."""
        return all(one.until_s < math.inf for one in self.periods[:-1])

    def since(self, at_s: float) -> list[Period]:
        """Those that were in force at a moment or later."""
        return [one for one in self.periods if one.until_s >= at_s]

    def has(self, repository: str, tag: str | None) -> bool:
        """The newest one has it."""
        return self.periods[-1].has(repository, tag)

    def entered_s(self, repository: str, tag: str | None) -> float:
        """The moment since when all selections in force have it: 0 from the beginning, infinite while one has not."""
        return max((one.until_s for one in self.periods if not one.has(repository, tag)), default=0.0)

    def marked_since_s(self, repository: str, tag: str | None) -> float:
        """The moment since when all selections by which events are marked have it, as above."""
        return max((one.marks_until_s for one in self.periods if not one.has(repository, tag)), default=0.0)
