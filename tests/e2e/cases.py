"""What the cases of the commands work with: one run of a command at a site, in a pipe or on a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.cells import cell_len
from tests.e2e.command import Geosync
from tests.e2e.parts import Site, dead_letters
from tests.support.terminal import COLUMNS, without_escapes

from geosync.operating.dead_letters import DeadLetters


@dataclass(frozen=True, slots=True)
class Made:
    """An image that is at every site, and tags that only the secondaries have."""

    repository: str
    digest: str


@dataclass(slots=True)
class Run:
    """Runs a command at one site in one of the two ways, and looks at how it is shown."""

    geosync: Geosync
    primary: Site
    site: Site
    made: Made
    on_a_terminal: bool
    secrets: frozenset[str]
    """What no command may print."""
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(
        self, *arguments: str, code: int | set[int] = 0, at: Site | None = None, table: bool = False, typed: str = ""
    ) -> str:
        """The shown text. `table`: a table that fits the terminal and has colours there."""
        self.ran.append(arguments)
        site = at or self.site
        if self.on_a_terminal:
            ended = self.geosync.on_a_terminal(site, *arguments, typed=typed)
            shown = without_escapes(ended.output)
        else:
            ended = self.geosync(site, *arguments, typed=typed)
            shown = ended.output
            assert "\x1b" not in ended.output + ended.error
        assert not [secret for secret in self.secrets if secret in ended.output + ended.error]
        assert "Traceback" not in ended.output + ended.error, ended
        assert ended.code in ({code} if isinstance(code, int) else code), (ended.code, ended.output, ended.error)
        if table:
            assert not self.on_a_terminal or max(map(cell_len, shown.splitlines())) <= COLUMNS, shown
            assert ("\x1b[" in ended.output) is self.on_a_terminal, ended.output
        return shown

    def document(self, *arguments: str, code: int | set[int] = 0, at: Site | None = None) -> Any:
        """The JSON document, as a program reads it."""
        assert not self.on_a_terminal
        return json.loads(self(*arguments, "--json", code=code, at=at))

    def poison(self) -> str:
        """Put a message that cannot be read into the site's DLQ, as functions/sync does; its id."""
        reasons = {"kind": "refused", "reason": "the version '99' is not known here"}
        sent = self.site.client("sqs").send_message(
            QueueUrl=self.site.about["dlq_url"],
            MessageBody=json.dumps({"version": "99", "repository": self.made.repository}),
            MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in reasons.items()},
        )
        return str(sent["MessageId"])

    @property
    def letters(self) -> DeadLetters:
        """The site's DLQ, without the command."""
        return dead_letters(self.site)

    def drop(self, message: str) -> None:
        """Take a message out of the DLQ again."""
        assert list(self.letters.discard({message}, lambda letter: None))

    def is_settled(self) -> bool:
        """Tell whether nothing is owed in the repository, which earlier cases compare and resync."""
        return not self.geosync.deployed(self.site).sync_registry.owed(self.made.repository)

    def row(self) -> dict[str, Any]:
        found = self.site.item(self.made.repository, "row")
        assert found is not None
        return found


Case = Callable[[Run], None]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    """Say which command a case runs."""

    def add(of: Case) -> Case:
        CASES[name] = of
        return of

    return add
