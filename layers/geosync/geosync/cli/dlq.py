"""`geosync dlq list`, `replay` and `discard`: the messages of the dead-letter queue, why, the way back and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import click

from geosync.cli.audit import audit_of, audited, caller_of
from geosync.cli.former import with_former
from geosync.cli.output import (
    CANNOT_TELL,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    age,
    count,
    output_option,
    plain,
    put,
)
from geosync.cli.site import Chosen, StackSite
from geosync.operating.dead_letters import LOOK_SECONDS, MOST, DeadLetter, DeadLetters, Handled
from geosync.operating.documents import letter_fields
from geosync.operating.failed_events import invoker


@click.group(short_help="Look at the dead-letter queue, replay, discard.")
def dlq() -> None:
    """Look at the dead-letter queue, and replay or discard what is in it."""


@dlq.command("list")
@output_option
@click.pass_obj
def list_letters(choose: Callable[[], Chosen], *, output: Format) -> None:
    """List the messages, with their reasons. They stay where they are.

    Exit code 1 when there are any.
    """
    site = choose().site()
    queue = _letters(site)
    found = queue.look(MOST + 1)
    letters = found[:MOST]
    in_hand = not letters and queue.count()
    documents = [_document(one) for one in letters]
    nothing = [] if in_hand else [f"The DLQ of {site.name} is empty."]
    shown = [Grid(_columns(site.clock.now_ms()), letters)] if letters else nothing
    put(Answer(document=documents, rows=documents, shown=shown, key="id"), output)
    if in_hand:
        _say_in_hand(in_hand)
    if len(found) > MOST:
        click.echo(f"more than {MOST} messages: only {MOST} of them are listed", err=True)
    raise SystemExit(SOMETHING_WRONG if letters or in_hand else NOTHING_OWED)


def _document(letter: DeadLetter) -> dict[str, Any]:
    former = {name: value for name, value in asdict(letter).items() if name not in ("receipt", "mark")}
    return with_former({**letter_fields(letter), "body": letter.body}, former)


def _columns(now_ms: int) -> tuple[Column, ...]:
    return (
        Column("id", lambda letter: letter.id),
        Column("kind", lambda letter: letter.kind),
        Column("about", lambda letter: letter.about),
        Column("sent", lambda letter: f"{age(letter.sent_at, now_ms)} ago", wide=True),
        Column("goes to", lambda letter: letter.goes_to, wide=True),
        Column("reason", lambda letter: letter.reason),
    )


@dlq.command(short_help="Send messages back to where they came from.")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "everything", is_flag=True, help="All messages.")
@output_option
@click.pass_obj
def replay(choose: Callable[[], Chosen], *, ids: tuple[str, ...], everything: bool, output: Format) -> None:
    """Send messages back to where they came from: what they name is marked, or published, again.

    A message is deleted here only after its queue or Lambda has it, so that an interruption loses none. One that still
    cannot be read comes back with its reason. What AWS refuses for one does not stop the others: exit code 2. Exit code
    1 when an ID is not found, or all of them are in use by another command, or were by one that was killed.
    """
    if everything == bool(ids):
        raise click.UsageError("name the messages (geosync dlq list) or say --all")
    site = choose().site()
    queue = _letters(site)
    with audited(site, "dlq replay", *(ids or ["--all"])):
        sent_back = queue.replay_all(site.clock.now_ms()) if everything else queue.replay(set(ids))
        handled = _tell(sent_back, set(ids), "replayed", output, queue)
    in_hand = everything and not handled and queue.count()
    if in_hand:
        _say_in_hand(in_hand)
        raise SystemExit(SOMETHING_WRONG)


@dlq.command(short_help="Delete messages for good, with a reason.")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is not needed; kept in the audit log.")
@output_option
@click.pass_obj
def discard(choose: Callable[[], Chosen], *, ids: tuple[str, ...], reason: str, output: Format) -> None:
    """Delete messages for good, each after the audit log has it, with the reason (geosync events --audit).

    What a message names stays as it is in the sync registry. Exit code 1 when an ID is not found, 2 when AWS refused
    one.
    """
    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    site = choose().site()
    audit, who = audit_of(site), caller_of(site)

    def note(letter: DeadLetter) -> None:
        audit.discarded(who, message=letter.id, body=letter.body, reason=reason)

    queue = _letters(site)
    _tell(queue.discard(set(ids), note), set(ids), "discarded", output, queue)


def _tell(handled: Iterator[Handled], ids: set[str], how: str, output: Format, queue: DeadLetters) -> int:
    """Write the outcome for each message, and return the number handled. Exits where one of `ids` was not done."""
    done: dict[str, DeadLetter] = {}
    failed: dict[str, str] = {}
    try:
        for one in handled:
            if one.failure is None:
                done[one.letter.id] = one.letter
            else:
                failed[one.letter.id] = one.failure
                about = plain(one.letter.about)
                click.echo(f"failed, still in the DLQ: {one.letter.id}: {about}: {one.failure}", err=True)
    finally:  # whatever ended it: what is done is said
        missing = sorted(ids - {*done, *failed})
        document = {
            "message": f"{len(done)} {how}",
            "done": list(done),
            "missing": missing,
            "failed": [{"id": name, "reason": reason} for name, reason in failed.items()],
        }
        lines = [f"{how} {name}: {plain(letter.about)}" for name, letter in done.items()]
        rows = [{"id": name} for name in done]
        put(Answer(document=document, rows=rows, shown=[*lines, f"{len(done)} {how}."], key="id"), output)
    if missing:
        _say_missing(missing, len(done) + queue.count())
    if failed:
        raise SystemExit(CANNOT_TELL)
    if missing:
        raise SystemExit(SOMETHING_WRONG)
    return len(done)


def _say_missing(missing: list[str], messages: int) -> None:
    """Print which IDs were not found among `messages`, of which a search goes through MOST."""
    where = f"among the first {MOST} of the DLQ" if messages > MOST else "in the DLQ"
    click.echo(f"not {where}: {' '.join(missing)}", err=True)


def _say_in_hand(messages: int) -> None:
    """Print how many messages are invisible: another look has them, or a replay that was killed."""
    text = f"{count(messages, 'message')} in use by another command right now"
    click.echo(f"{text}: seen again within {LOOK_SECONDS} s", err=True)


def _letters(site: StackSite) -> DeadLetters:
    return DeadLetters(
        site.client("sqs"),
        dlq_url=site.outputs["DeadLetterQueueUrl"],
        events_url=site.outputs["EventsQueueUrl"],
        work_url=site.outputs["WorkQueueUrl"],
        hand_over=invoker(lambda: site.client("lambda"), site.outputs["NotificationsFunction"]),
    )
