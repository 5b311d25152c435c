"""The dead-letter queue: list, show, replay, discard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from botocore.exceptions import BotoCoreError, ClientError

from geosync.admin.http import Refusal
from geosync.admin.models.dead_letters import (
    DeadLetter,
    DeadLetterDetail,
    DeadLetterList,
    LetterFailed,
    LettersDone,
    LettersToDiscard,
    LettersToReplay,
    MessageId,
)
from geosync.admin.rights import Caller
from geosync.admin.routes.common import ACTS, LOOKS, LOOKS_AT_ONE, MOST_PER_PAGE, answers, taken_on
from geosync.admin.site import Site
from geosync.operating import dead_letters
from geosync.operating.moments import moment

ALL = "/api/v4/geo/dead_letters"
TAGS = ["dead letters"]


def add(app: APIGatewayRestResolver, site: Site, caller: Callable[[], Caller]) -> None:
    """Add the routes."""

    @app.get(ALL, summary="What ended in the dead-letter queue, and why", tags=TAGS, responses=answers(*LOOKS))
    def list_letters(
        per_page: Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Messages at most.")] = MOST_PER_PAGE,
    ) -> DeadLetterList:
        return DeadLetterList(nodes=[_letter(one) for one in site.letters.look(per_page)], count=site.letters.count())

    @app.get(f"{ALL}/<letter_id>", summary="One message, with its body", tags=TAGS, responses=answers(*LOOKS_AT_ONE))
    def show_letter(letter_id: Annotated[MessageId, Path()]) -> DeadLetterDetail:
        letter = site.letters.find(letter_id)
        if letter is None:
            raise Refusal(404, f"the DLQ of {site.name} has no message {letter_id}, or somebody has it in hand: {ALL}")
        return DeadLetterDetail(**dict(_letter(letter)), body=letter.body)

    @app.post(
        f"{ALL}/replay",
        summary="Send messages back to the queue that they came from",
        tags=TAGS,
        **taken_on(400, 403, 413, 415),
    )
    def replay_letters(asked: LettersToReplay) -> LettersDone:
        if asked.all == bool(asked.ids):
            raise Refusal(400, "name the messages (ids), or say all: one of the two")
        ids = set(asked.ids)
        return _done(site.letters.replay(None if asked.all else ids), ids, "replayed")

    @app.post(f"{ALL}/discard", summary="Give messages up, with a reason", tags=TAGS, responses=answers(*ACTS))
    def discard_letters(asked: LettersToDiscard) -> LettersDone:
        who = caller()

        def note(letter: dead_letters.DeadLetter) -> None:
            site.audit.discarded(who.name, message=letter.id, body=letter.body, reason=asked.reason)

        ids = set(asked.ids)
        return _done(site.letters.discard(ids, note), ids, "discarded")


def _done(handled: Iterator[dead_letters.Handled], ids: set[str], how: str) -> LettersDone:
    """What became of `ids`, and of what else was handled. Raises botocore's errors when nothing was done before one."""
    done: list[str] = []
    failed: dict[str, str] = {}
    broken_off = None
    try:
        for one in handled:
            if one.failure is None:
                done.append(one.letter.id)
            else:
                failed[one.letter.id] = one.failure
    except (BotoCoreError, ClientError):
        if not done:
            raise
        broken_off = "AWS did not answer before this one was done"
        failed |= dict.fromkeys(ids - {*done, *failed}, broken_off)
    message = f"{len(done)} {how}"
    message += f", {len(failed)} not" if failed else ""
    message += "; AWS did not answer: ask again for the rest" if broken_off is not None else ""
    return LettersDone(
        message=message,
        done=done,
        missing=sorted(ids - {*done, *failed}),
        failed=[LetterFailed(id=id_, reason=reason) for id_, reason in sorted(failed.items())],
    )


def _letter(letter: dead_letters.DeadLetter) -> DeadLetter:
    return DeadLetter(
        id=letter.id,
        kind=letter.kind,
        about=letter.about,
        reason=letter.reason,
        sent_at=moment(letter.sent_at),
        goes_to="work" if letter.is_work else "events",
    )
