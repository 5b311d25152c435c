"""The dead-letter queue: list, show, replay, discard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from geosync import dead_letters
from geosync.admin.http import Refusal
from geosync.admin.models.dead_letters import (
    DeadLetter,
    DeadLetterDetail,
    DeadLetterList,
    LettersDone,
    LettersToDiscard,
    LettersToReplay,
    MessageId,
)
from geosync.admin.rights import Caller
from geosync.admin.routes.common import ACTS, LOOKS, LOOKS_AT_ONE, MOST_PER_PAGE, answers, taken_on
from geosync.admin.site import Site
from geosync.moments import moment

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
        done = [letter.id for letter in site.letters.replay(None if asked.all else set(asked.ids))]
        missing = sorted(set(asked.ids) - set(done))
        return LettersDone(message=f"{len(done)} replayed", done=done, missing=missing)

    @app.post(f"{ALL}/discard", summary="Give messages up, with a reason", tags=TAGS, responses=answers(*ACTS))
    def discard_letters(asked: LettersToDiscard) -> LettersDone:
        who = caller()

        def note(letter: dead_letters.DeadLetter) -> None:
            site.audit.discarded(who.name, message=letter.id, body=letter.body, reason=asked.reason)

        done = [letter.id for letter in site.letters.discard(set(asked.ids), note)]
        return LettersDone(
            message=f"{len(done)} discarded; the audit log keeps them",
            done=done,
            missing=sorted(set(asked.ids) - set(done)),
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
