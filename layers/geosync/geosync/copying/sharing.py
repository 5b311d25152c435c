"""The blobs that repositories of this site share, as one holder knows them and tells the others.

A hint says which repositories of the destination's registry have a blob (sync_registry/shared_blobs.py). It is read in
one batch for all that a registry named missing, and followed by a mount, which proves as much as the registry's word
does. A large blob is claimed before it is copied: of two holders that need it, one copies, and the other waits and then
mounts. While the table does not answer, nothing is known of others: that costs bytes, and fails no copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.copying.turns import Turns
from geosync.errors import GeosyncError
from geosync.oci.manifests import Descriptor
from geosync.oci.references import is_repository
from geosync.sync_registry.access import TABLE_ERRORS
from geosync.sync_registry.shared_blobs import MOST_REPOSITORIES, NOBODY, SharedBlob, SharedBlobItems
from geosync.threads import SYSTEM_THREADS, Threads

CLAIMED_FROM = 1024 * 1024
"""Bytes from which a blob is worth a claim, each repository that may have it a request, and a wait."""
RENEWAL_S = 10.0
"""Seconds after which a claim is renewed while bytes move."""
TOLD_AT_ONCE = 25
"""Blobs that are noted in one write: as many as one request takes."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
"""The pauses between looks at who copies a blob; each is twice the one before. A turn of our own is asked for again
after the shortest: that needs no look."""


class CopiedElsewhere(GeosyncError):
    """Another invocation copies this blob now, or is to have its turn; no caller of the copier sees this."""


@dataclass(slots=True)
class _Known:
    """One blob: repositories that have it, as far as the table says, and those of them that were not asked yet."""

    repositories: list[str] = field(default_factory=list)
    to_ask: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    claimed_at_s: float | None = None
    waits: int = 0
    unfinished: bool = False
    awaits_turn: bool = False

    def learn(self, hint: SharedBlob) -> None:
        self.unfinished = hint.unfinished
        self.repositories = [one for one in hint.repositories if is_repository(one)]
        self.to_ask = [one for one in self.repositories if one not in self.asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The outcome of sharing in one holder: blobs that were mounted, and repositories that lacked what hints said."""

    mounted: int = 0
    wrong: tuple[str, ...] = ()


class Sharing:
    """One holder's part in the sharing of blobs. Thread-safe: one task at a time for each blob.

    `repository` is its repository at the destination, `token` names the holder. Blobs of less than `least_bytes` are
    not shared, and none are without `items`.
    """

    def __init__(
        self,
        items: SharedBlobItems | None = None,
        *,
        repository: str = "",
        token: str = "",
        least_bytes: int = 0,
        clock: Clock = SYSTEM_CLOCK,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._items = items
        self._repository = repository
        self._token = token
        self._least_bytes = least_bytes
        self._clock = clock
        self._lock = threads.lock()
        self._known: dict[str, _Known] = {}
        self._seen: dict[str, list[str]] = {}
        self._mounted = 0
        self._wrong: dict[str, None] = {}
        self._turns: dict[str, Turns] = {}

    # ------------------------------------------------------------------------------------------------- who has it

    def look_for(self, blobs: Iterable[Descriptor]) -> None:
        """Read who has these blobs: one read of the table, none if no blob is shared."""
        wanted = [blob.digest for blob in blobs if self._is_shared(blob)]
        if self._items is None or not wanted:
            return
        with suppress(*TABLE_ERRORS):
            found = self._items.read(wanted)
            # Blobs of an image from one repository, if it has them: each other one may cost a token of its own.
            common = Counter(name for hint in found.values() for name in hint.repositories)
            for digest in wanted:
                if (hint := found.get(digest)) is not None:
                    known = _Known()
                    known.learn(hint)
                    known.to_ask.sort(key=lambda name: (name != self._repository, -common[name]))
                    self._known[digest] = known

    def next_source(self, blob: Descriptor) -> str | None:
        """The next repository to mount `blob` from; None when there is none, or none that a small blob is worth."""
        known = self._known.get(blob.digest)
        if known is None or not known.to_ask or (known.asked and not self._is_claimed(blob)):
            return None
        name = known.to_ask.pop(0)
        known.asked.add(name)
        return name

    def note_wrong(self, blob: Descriptor, source: str) -> None:
        """Note that `source` did not give `blob`, whatever the hint said."""
        known = self._known.get(blob.digest)
        if known is not None and source in known.repositories:
            known.repositories.remove(source)
        with self._lock:
            self._wrong[source] = None

    # ------------------------------------------------------------------------------------------------ who copies it

    def may_be_handed_out(self, blob: Descriptor) -> bool:
        """Tell whether others may be asked to bring `blob`, which is nowhere yet, as far as `look_for` found."""
        known = self._known.get(blob.digest, _Known())
        return self._is_shared(blob) and not known.to_ask and not known.unfinished

    def hand_out(self, blobs: Iterable[Descriptor], *, at_once: int) -> None:
        """Copy no more than so many of these blobs at a time, and each only under a claim: others were asked, too.

        One that was handed out before, with another image, keeps its turn there.
        """
        with self._lock:
            fresh = [blob.digest for blob in blobs if blob.digest not in self._turns]
            self._turns |= dict.fromkeys(fresh, Turns(fresh, at_once, self._clock.monotonic_s()))

    def is_handed_out(self, blob: Descriptor) -> bool:
        """Tell whether others were asked to bring `blob`."""
        return blob.digest in self._turns

    def is_left(self, blob: Descriptor) -> bool:
        """Read whether nobody brought `blob` to the repository yet, or copies it now."""
        hint = NOBODY
        if self._items is not None:
            hint = self._items.read([blob.digest]).get(blob.digest, NOBODY)
        return not self._is_elsewhere(hint) and self._repository not in hint.repositories

    def claim(self, blob: Descriptor) -> bool:
        """Claim a blob that is large, or handed out, before it is copied.

        False: a repository has it by now, which `next_source` names. Raises CopiedElsewhere while another invocation
        copies it, or while as many of those that are handed out are copied here as may be.
        """
        if self._items is None or not self._is_claimed(blob):
            return True
        known = self._known.setdefault(blob.digest, _Known())
        turns = self._turns.get(blob.digest)
        known.awaits_turn = turns is not None and not self._takes_turn(turns, blob)
        if known.awaits_turn:
            raise CopiedElsewhere(f"{blob.digest} is left to others for now")
        is_ours = False
        try:
            is_ours = self._claims(blob, known)
        finally:
            if turns is not None and not is_ours:
                with self._lock:
                    turns.give_back(blob.digest)
        return is_ours

    def _takes_turn(self, turns: Turns, blob: Descriptor) -> bool:
        with self._lock:
            if turns.take(blob.digest):
                return True
            left = turns.to_judge(self._clock.monotonic_s())
        if not left or self._items is None:
            return False
        with suppress(*TABLE_ERRORS):
            found = self._items.read(left).values()
            if not any(self._is_elsewhere(hint) or self._repository in hint.repositories for hint in found):
                with self._lock:
                    turns.take_all()
                    return turns.take(blob.digest)
        return False

    def _claims(self, blob: Descriptor, known: _Known) -> bool:
        assert self._items is not None  # noqa: S101 - nothing is claimed without
        hint = NOBODY
        with suppress(*TABLE_ERRORS):
            if known.waits or self.is_handed_out(blob):  # a look costs less than a claim that is refused
                hint = self._items.read([blob.digest]).get(blob.digest, NOBODY)
                known.learn(hint)
            if not known.to_ask and not self._is_elsewhere(hint):
                hint = self._items.claim(blob.digest, self._token)
        known.learn(hint)
        if hint.copied_by == self._token:
            known.claimed_at_s = self._clock.monotonic_s()
        if known.to_ask:
            return False
        if self._is_elsewhere(hint):
            raise CopiedElsewhere(f"{blob.digest} is copied by another holder")
        return True

    def wait(self, blob: Descriptor) -> None:
        """Wait a moment for who copies `blob`, or is to."""
        known = self._known.setdefault(blob.digest, _Known())
        if known.awaits_turn:
            self._clock.sleep(FIRST_WAIT_S)
            return
        self._clock.sleep(min(FIRST_WAIT_S * 2.0**known.waits, LONGEST_WAIT_S))
        known.waits = min(known.waits + 1, 30)

    def keep(self, blob: Descriptor) -> None:
        """Renew the claim on `blob` while it is copied, if there is one and it is time."""
        known = self._known.get(blob.digest)
        if known is None or known.claimed_at_s is None or self._items is None:
            return
        now_s = self._clock.monotonic_s()
        if now_s - known.claimed_at_s >= RENEWAL_S:
            known.claimed_at_s = now_s
            with suppress(*TABLE_ERRORS):
                self._items.claim(blob.digest, self._token)

    # ------------------------------------------------------------------------------------------------- what is told

    def note_there(self, blob: Descriptor, *, mounted: bool) -> None:
        """Note that the repository has `blob` now. Of what was claimed others are told at once, of the rest in time."""
        if not self._is_shared(blob):
            return
        known = self._known.pop(blob.digest, None) or _Known()
        with self._lock:
            if (turns := self._turns.get(blob.digest)) is not None:
                turns.end(blob.digest)
            self._mounted += mounted
            if self._repository in known.repositories and known.claimed_at_s is None:
                return
            others = [name for name in known.repositories if name != self._repository]
            self._seen[blob.digest] = [self._repository, *others][:MOST_REPOSITORIES]
            is_time = known.claimed_at_s is not None or len(self._seen) >= TOLD_AT_ONCE
            told = self._taken() if is_time else {}
        self._tell(told)

    def give_up(self, blob: Descriptor, *, unfinished: bool = False) -> None:
        """Let others copy `blob`: it was not copied here; `unfinished`: it did not fit into the invocation."""
        with self._lock:
            if (turns := self._turns.get(blob.digest)) is not None:
                turns.give_back(blob.digest)
        known = self._known.pop(blob.digest, None)
        if known is not None and known.claimed_at_s is not None and self._items is not None:
            with suppress(*TABLE_ERRORS):
                self._items.give_up(blob.digest, self._token, unfinished=unfinished)

    def tell(self) -> None:
        """Write down what was noted: one write for 25 blobs."""
        with self._lock:
            told = self._taken()
        self._tell(told)

    def _taken(self) -> dict[str, list[str]]:
        """Take what was noted; the caller has the lock."""
        taken, self._seen = self._seen, {}
        return taken

    def _tell(self, told: dict[str, list[str]]) -> None:
        if told and self._items is not None:
            with suppress(*TABLE_ERRORS):
                self._items.note(told)

    def outcome(self) -> Shared:
        """The outcome so far."""
        with self._lock:
            return Shared(mounted=self._mounted, wrong=tuple(self._wrong))

    def _is_shared(self, blob: Descriptor) -> bool:
        return self._items is not None and max(blob.size, 0) >= self._least_bytes

    def _is_claimed(self, blob: Descriptor) -> bool:
        return self.is_handed_out(blob) or (self._is_shared(blob) and blob.size >= CLAIMED_FROM)

    def _is_elsewhere(self, hint: SharedBlob) -> bool:
        return hint.is_copied_by_another(self._token, self._clock.now_ms())
