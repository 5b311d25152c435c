"""`geosync dlq list` and `replay`: what ended in the dead-letter queue, why, and the way back.

Three kinds end there: `parked` (a reference that failed for good: a work message that marks it anew), `refused` (a
message that cannot be read, with the reason), and `crashed` (by redrive: the function died before it could mark).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click

from geosync.cli.output import SOMETHING_WRONG, as_json, console, plain, table
from geosync.cli.site import Chosen, Site
from geosync.replication.work import CATALOGUE_KIND, KIND

LOOK_SECONDS = 120
"""How long a message that is listed or replayed is out of others' sight, unless it is given back before."""
MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message of the DLQ. `receipt` is what deletes it while it is out of sight."""

    id: str
    kind: str
    reason: str
    sent_at: int
    body: str
    receipt: str

    @property
    def about(self) -> str:
        """The repository and the references that the message names, as far as it can be read."""
        try:
            fields = json.loads(self.body)
            names = fields.get("references") or [fields.get("tag") or fields.get("digest") or "*"]
            return f"{fields['repository']} {' '.join(map(str, names))}"
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            return f"{self.body[:60]}…" if len(self.body) > 60 else self.body

    @property
    def goes_to(self) -> str:
        """The output that names the queue it came from: wake-ups to the work queue, the rest to the events queue."""
        try:
            kind = json.loads(self.body).get("kind")
        except (ValueError, AttributeError, RecursionError):
            kind = None
        return "WorkQueueUrl" if kind in {KIND, CATALOGUE_KIND} else "EventsQueueUrl"


@click.group()
def dlq() -> None:
    """Look at the dead-letter queue, and replay what is in it."""


@dlq.command("list")
@click.option("--json", "as_document", is_flag=True, help="One JSON document.")
@click.pass_obj
def list_letters(choose: Callable[[], Chosen], as_document: bool) -> None:
    """List the messages, with their reasons. They stay where they are.

    Exit code 1 when there are any.
    """
    site = choose().site()
    letters = list(receive(site))
    give_back(site, letters)
    if as_document:
        as_json([{name: value for name, value in asdict(one).items() if name != "receipt"} for one in letters])
    elif letters:
        rows = ((one.id, one.kind, plain(one.about), plain(one.reason)) for one in letters)
        console().print(table(("id", "kind", "about", "reason"), rows))
    else:
        click.echo(f"The DLQ of {site.name} is empty.")
    raise SystemExit(SOMETHING_WRONG if letters else 0)


@dlq.command()
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "everything", is_flag=True, help="All messages.")
@click.pass_obj
def replay(choose: Callable[[], Chosen], ids: tuple[str, ...], everything: bool) -> None:
    """Send messages back to the queue that they came from: what they name is marked again.

    A message is deleted here only after the queue has it, so that an interruption loses none. One that still cannot be
    read comes back with its reason. Exit code 1 when an ID is not found.
    """
    if everything == bool(ids):
        raise click.UsageError("name the messages (geosync dlq list) or say --all")
    site = choose().site()
    sqs = site.client("sqs")
    wanted = set(ids)
    others, done = [], 0
    for letter in receive(site):
        if not everything and letter.id not in wanted:
            others.append(letter)
            continue
        sqs.send_message(QueueUrl=site.outputs[letter.goes_to], MessageBody=letter.body)
        sqs.delete_message(QueueUrl=site.outputs["DeadLetterQueueUrl"], ReceiptHandle=letter.receipt)
        wanted.discard(letter.id)
        done += 1
        click.echo(f"replayed {letter.id}  {plain(letter.about)}")
    give_back(site, others)
    click.echo(f"{done} replayed.")
    if wanted:
        click.echo(f"not in the DLQ: {' '.join(sorted(wanted))}", err=True)
        raise SystemExit(SOMETHING_WRONG)


def receive(site: Site) -> Iterator[DeadLetter]:
    """Yield the messages, at most MOST, each once; they are out of sight until they are deleted or given back."""
    sqs = site.client("sqs")
    known: set[str] = set()
    while len(known) < MOST:
        answer = sqs.receive_message(
            QueueUrl=site.outputs["DeadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
            VisibilityTimeout=LOOK_SECONDS,
            WaitTimeSeconds=1,  # a short poll asks only some of the servers
        )
        letters = [_letter(message) for message in answer.get("Messages", [])]
        fresh = [letter for letter in letters if letter.id not in known]
        if not fresh:
            return
        known.update(letter.id for letter in fresh)
        yield from fresh


def give_back(site: Site, letters: list[DeadLetter]) -> None:
    """Let others see the messages again."""
    sqs = site.client("sqs")
    for letter in letters:
        sqs.change_message_visibility(
            QueueUrl=site.outputs["DeadLetterQueueUrl"], ReceiptHandle=letter.receipt, VisibilityTimeout=0
        )


def _letter(message: dict[str, Any]) -> DeadLetter:
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    return DeadLetter(
        id=message["MessageId"],
        kind=attributes.get("kind", "crashed"),
        reason=attributes.get("reason", "the function ended before it could mark it (see its log)"),
        sent_at=int(message.get("Attributes", {}).get("SentTimestamp", 0)),
        body=message["Body"],
        receipt=message["ReceiptHandle"],
    )
