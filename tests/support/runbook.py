"""The steps of docs/failover.md, read from the page itself: a test that runs them cannot differ from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "failover.md"
DISASTER = "Disaster: the primary is gone"
COMING_BACK = "When the old primary comes back"
FAILING_BACK = "Planned, or failing back: the primary moves"
PROCEDURES = (DISASTER, COMING_BACK, FAILING_BACK)
"""In the order in which they are run."""
_BLOCK = re.compile(r"^ *```[^`\n]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step: what it says, and the command lines below it."""

    text: str
    commands: tuple[str, ...]

    @property
    def is_by_hand(self) -> bool:
        """True for a step without a command, which no test can do."""
        return self.text.startswith("By hand:")

    @property
    def is_repeated(self) -> bool:
        """True for a command that is run again until its exit code is 0."""
        return "until it ends with 0" in self.text


def command_lines(text: str) -> tuple[str, ...]:
    """The command lines of all blocks in a text, those that a backslash continues joined."""
    lines = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return tuple(" ".join(line.split()) for line in lines if line.strip())


def steps(title: str) -> list[Step]:
    """The steps of one of PROCEDURES, in order; they are numbered from 1."""
    section = PAGE.read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    parts = re.split(r"^(\d+)\. ", section, flags=re.MULTILINE)
    assert parts[1::2] == [str(number + 1) for number in range(len(parts) // 2)]
    return [Step(" ".join(_BLOCK.sub("", part).split()), command_lines(part)) for part in parts[2::2]]
