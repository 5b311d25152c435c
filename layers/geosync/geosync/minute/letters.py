"""Matches the messages of the DLQ with what is owed, to find those that could not be marked.

A message of a parked reference says nothing that the sync registry does not know. It is deleted once its reference was
marked again, is here, or was deleted; of two messages of one reference the older is deleted. Any other message that is
left could not be marked: nobody knows what it names, so no heartbeat is accounted while it is there.

To look through a queue hides its messages from others for a moment. So this is done when the number of messages or of
parked references has changed, and now and then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from geosync.errors import MalformedMessage, UnknownVersion
from geosync.messages.work import WorkMessage
from geosync.minute.queues import Queues
from geosync.operating.dead_letters import MOST, DeadLetter
from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.site.letters import LettersLook
from geosync.sync_registry.sync_registry import SyncRegistry

LOOK_AGAIN_MS = 10 * 60_000
"""Time after which the DLQ is looked through even if its number of messages is unchanged."""
UNNAMED_FOR_MS = 15 * 60_000
"""Age up to which a message without a mark (of an earlier version) may have come before its reference was parked."""

Named = tuple[str, Reference]
"""A repository, and a reference in it."""


class LetterMatcher:
    """Matches the DLQ's messages with what is owed."""

    def __init__(self, sync_registry: SyncRegistry, queues: Queues) -> None:
        self._sync_registry = sync_registry
        self._queues = queues

    def match(self, letters: int, parked: int, *, anew: bool, now_ms: int) -> LettersLook | None:
        """Return the look that holds for the DLQ with `letters` messages; None: it could not be read to its end.

        Looks, and deletes the messages that are no longer needed, if either number has changed since the last look, or
        `anew`. `parked` is the number of parked references. Raises what SQS and DynamoDB raise.
        """
        if not letters:
            return LettersLook(at=now_ms, letters=0, parked=parked, unmarked=0)
        last = self._sync_registry.letters.read()
        if not anew and last is not None and _holds(last, letters, parked, now_ms):
            return last
        seen = self._queues.sift(lambda found: self._unneeded(found, now_ms), most=letters)
        unmarked = sum(map(_is_unmarked, seen.left))
        look = LettersLook(at=now_ms, letters=letters - seen.removed, parked=parked, unmarked=unmarked)
        if len(seen.left) + seen.removed < min(letters, MOST):
            return None  # a command has some of them in hand, or the count is late
        if letters > MOST and look.letters - unmarked > self._sync_registry.owed_index.parked():
            return None  # those that were not looked at are not all of parked references
        self._sync_registry.letters.write(look)
        return look

    def _unneeded(self, letters: Sequence[DeadLetter], now_ms: int) -> Collection[DeadLetter]:
        """The messages whose references need none any more, or have a newer one."""
        named = {letter.id: _named(letter) for letter in letters if letter.kind == "parked"}
        owed = self._sync_registry.owed_named(one for one in named.values() if one is not None)
        newest: dict[Named, DeadLetter] = {}
        unneeded: list[DeadLetter] = []
        for letter in letters:
            name = named.get(letter.id)
            if name is None:
                continue
            if not _is_needed(letter, name, owed, now_ms):
                unneeded.append(letter)
                continue
            other = newest.setdefault(name, letter)
            if other is not letter:
                older, newest[name] = sorted((other, letter), key=lambda one: one.sent_at)
                unneeded.append(older)
        return unneeded


def _holds(last: LettersLook, letters: int, parked: int, now_ms: int) -> bool:
    return (last.letters, last.parked) == (letters, parked) and now_ms - last.at < LOOK_AGAIN_MS


def _is_needed(letter: DeadLetter, name: Named, owed: Mapping[Named, Owed | None], now_ms: int) -> bool:
    """True while the reference is owed, and was not marked again since the message was sent."""
    if name not in owed:
        return False
    one = owed[name]
    if one is None:  # it cannot be read
        return True
    if letter.mark is not None:
        return letter.mark == one.mark
    return one.parked or now_ms - letter.sent_at < UNNAMED_FOR_MS


def _is_unmarked(letter: DeadLetter) -> bool:
    """True for a message that may name a push that is nowhere else: a geo event, or one that cannot be read.

    Not for an event of this site's own registry that was not published: it is for those that follow this site.
    """
    if letter.kind == "parked":
        return _named(letter) is None
    return letter.kind == "refused" or letter.goes_to == "events"


def _named(letter: DeadLetter) -> Named | None:
    """The reference that the message of a parked one names; None where it does not name exactly one."""
    try:
        work = WorkMessage.from_json(letter.body)
    except (MalformedMessage, UnknownVersion):
        return None
    return (work.repository, work.references[0]) if len(work.references) == 1 else None
