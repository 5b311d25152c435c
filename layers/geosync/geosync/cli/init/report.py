"""The answer of `geosync init` in every output: the files, the steps and the checks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from geosync.cli.init import samconfig
from geosync.cli.init.checking import SiteCheck, worst
from geosync.cli.init.steps import CommandPlace, InitStep
from geosync.cli.output import CANNOT_TELL, SOMETHING_WRONG, Answer, Part, unbroken

ANSWERS_FILE = "geosync-init.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReport:
    """A run of `geosync init`.

    `is_known`: AWS could be looked at. `private_files` are there by now, and have secrets. `checks` is None while
    nothing was checked.
    """

    place: CommandPlace
    is_known: bool
    steps: Sequence[InitStep]
    private_files: Sequence[Path]
    checks: Sequence[SiteCheck] | None = None

    @property
    def is_deployed(self) -> bool:
        """True once every site is known to be there, so that all can be checked."""
        return self.is_known and not self._is_left

    @property
    def exit_code(self) -> int:
        """0: all is deployed, and the checks found nothing. 1: something is left or wrong. 2: cannot tell."""
        if not self.is_known:
            return CANNOT_TELL
        return SOMETHING_WRONG if self._is_left else worst(self.checks or ())

    @property
    def _is_left(self) -> bool:
        return any(step.state in {"next", "later"} for step in self.steps)

    @property
    def _again(self) -> str:
        return self.place.command("geosync", "init")

    def answer(self) -> Answer:
        """The answer, whose objects are the steps. A command that is not known yet, or is none, is null."""
        rows = [
            {"number": number, **asdict(step), "command": step.command or None}
            for number, step in enumerate(self.steps, 1)
        ]
        document = {
            "folder": str(self.place.folder),
            "files": [samconfig.FILE, ANSWERS_FILE],
            "files_to_delete": [str(file) for file in self.private_files],
            "steps": rows,
            "again": self._again if self._is_left else None,
            "checks": None if self.checks is None else [asdict(one) for one in self.checks],
        }
        return Answer(document=document, rows=rows, shown=list(self._lines()))

    def _lines(self) -> Iterator[Part]:
        """The steps for people. A command is one line, however narrow the terminal, so that it can be copied."""
        if self.place.folder != Path() and any(step.state != "done" for step in self.steps):
            yield unbroken(shlex.join(["cd", str(self.place.folder)]))
        for number, step in enumerate(self.steps, 1):
            yield f"{number}. {step.state}: {step.text}"
            if step.command:
                yield unbroken(f"   {step.command}")
        if self._is_left:
            yield f"Then: {self._again} (parameters are in {samconfig.FILE}, what you answered in {ANSWERS_FILE})"
