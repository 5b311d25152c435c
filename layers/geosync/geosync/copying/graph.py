"""The order of the parts of references: which have to be at the destination before which others. State, no requests.

A part is a blob, or a manifest that an index (or the caller, by digest) asks for. Parts are shared: two references of
the repository that are copied at the same time and have a layer in common wait for the one transfer of it. A `CopyRun`
is one reference being copied. A part knows every run that wants it, so that it goes on when one of them fails, and
stops when the last one has failed.

Manifests come from outside, so the graph is bounded: MAX_DEPTH, MAX_PARTS, MAX_EDGES and MAX_MANIFEST_BYTES for what
one run brings, whoever else wants the same parts (charges.py). Parts that others are bringing are charged as well, and
count at the next ones that the run wants. An edge that would close a loop is refused (digests make loops impossible,
but only for those who check digests). What an image costs here grows with its edges, not with their square.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from geosync.copying import charges
from geosync.copying.parts import CopyRun, Key, Part, end_run, in_order, looks_below
from geosync.errors import ContentError, MalformedManifest
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.memory import KEPT_BYTES, Room


class Graph:
    """The parts in flight and the keys of those that are done. Thread-safe; no method blocks."""

    def __init__(self, kept: Room | None = None) -> None:
        """`kept` bounds the manifests that are kept while what they refer to is brought."""
        self._kept = kept or Room(KEPT_BYTES)
        self._lock = threading.Lock()
        self._shared: dict[Key, Part] = {}
        self._live: dict[Part, None] = {}
        self._done: set[Key] = set()
        self._whole: set[Key] = set()
        """Those of the done that were brought, or looked below; the others were only found there."""
        self._stopped: BaseException | None = None

    def root(self, run: CopyRun, manifest: Manifest, tag: str | None) -> Part | None:
        """Add the part that `run` is about, to be started by the caller; None when it is done or in progress.

        A manifest by tag is a part of its own, since each tag has a PUT of its own; by digest it is the part that an
        index above it wants.
        """
        key = (manifest.digest, True)
        with self._lock:
            if self._stopped is not None:
                end_run(run, self._stopped)
                return None
            if tag is None and key in self._whole:
                end_run(run, None)
                return None
            if tag is None and (shared := self._shared.get(key)) is not None:
                shared.subject_of.append(run)
                charges.join(shared, frozenset((run,)))
                return None
            part = Part(
                key=key,
                owner=run,
                descriptor=manifest.descriptor,
                manifest=manifest,
                is_index=manifest.is_index,
                tag=tag,
                runs=frozenset((run,)),
                subject_of=[run],
            )
            self._add(part)
            return part

    def join(self, run: CopyRun, digest: str) -> bool:
        """Have `run` end when the manifest `digest` is there with all below it.

        False when no run here brought it or is bringing it; having been found there is not enough.
        """
        key = (digest, True)
        with self._lock:
            shared = self._shared.get(key)
            if self._stopped is not None or key in self._whole:
                end_run(run, self._stopped)
            elif shared is not None:
                shared.subject_of.append(run)
                charges.join(shared, frozenset((run,)))
            else:
                return False
            return True

    def is_whole(self, part: Part) -> bool:
        """Tell whether the same manifest is there with all below it, since an earlier copy of this run."""
        with self._lock:
            return part.key in self._whole

    def is_tried_again(self, part: Part) -> bool:
        """Tell whether an earlier attempt of somebody who wants `part` failed."""
        with self._lock:
            return any(run.retry.is_again for run in part.runs)

    def need(
        self, part: Part, manifests: Iterable[Descriptor], blobs: Iterable[Descriptor], *, look_first: bool = False
    ) -> list[Part] | None:
        """Make `part` wait for these; returns the new parts, to be started by the caller, None if it waits for nothing.

        A run that may not have so much is ended, and the others go on. Raises MalformedManifest on a loop, or where
        none may have it; then nothing was changed.
        """
        wanted = {(d.digest, True): d for d in manifests} | {(d.digest, False): d for d in blobs}
        with self._lock:
            if part.stopped:
                return []
            is_half = looks_below(part)
            wanted = {key: descriptor for key, descriptor in wanted.items() if not self._is_done(part, key, is_half)}
            self._check(part, wanted)
            charges.charge_edges(part, len(wanted))
            fresh = []
            for key, descriptor in wanted.items():
                if (below := self._shared.get(key)) is not None:
                    charges.join(below, part.runs)
                else:
                    below = self._add_below(part, key, descriptor)
                    below.looked_for_by = part if look_first else None
                    fresh.append(below)
                part.needs.append(below)
                below.needed_by.append(part)
                part.pending += 1
            return fresh if part.pending else None

    def admit(self, part: Part, count: int) -> None:
        """Raise MalformedManifest if the `count` parts of a manifest are more than any run may have."""
        charges.check_count(part, count)

    def hold(self, part: Part, manifest: Manifest) -> None:
        """Keep the manifest of `part` until it is finished, if there is room for it.

        A run that may not have so many bytes is ended, and the others go on; raises TooLarge where none may.
        """
        with self._lock:
            self._end_those_over(part, charges.charge_bytes(part, len(manifest.content)))
            part.is_index = manifest.is_index
            if not part.stopped and self._kept.take_if_free(len(manifest.content)):
                part.manifest = manifest
                part.kept = len(manifest.content)

    def finish(self, part: Part, moved: int | None) -> list[Part]:
        """Note that `part` is at the destination: `moved` bytes went there, None when it was there.

        Returns the parts that waited for it and now wait for nothing.
        """
        with self._lock:
            self._whole.add(part.key)
            return self._finish(part, moved)

    def finish_found(self, part: Part) -> list[Part] | None:
        """Note that the manifest `part` was found at the destination, and was not looked below. Returns as `finish`.

        None: somebody asks for this very manifest, or it may be half of one, so that what is below is to be looked for.
        """
        with self._lock:
            return None if part.is_subject or looks_below(part) else self._finish(part, None)

    def leave_out(self, part: Part, error: BaseException) -> list[Part] | None:
        """Note that nobody has the manifest `part`, and that the indexes that waited for it go on without it.

        The runs that may not leave it out end with `error`. Returns as `finish`; None where no run may.
        """
        with self._lock:
            strict = [run for run in part.runs if not run.retry.leaves_out]
            if len(strict) == len(part.runs) or not self._only_indexes_want(part):
                return None
            self._fail(strict, error)
            for above in part.needed_by:
                above.left_out = above.left_out or set()
                above.left_out.add(part.key)
            ready = self._finish(part, None)
            self._done.discard(part.key)
            return ready

    def undo(self, blobs: Iterable[str]) -> None:
        """Forget that these blobs are at the destination, which denies it: who needs one has it brought again."""
        with self._lock:
            self._done -= {(digest, False) for digest in blobs}

    def may_turn(self, part: Part) -> bool:
        """Tell whether `part` may be of the other kind: only indexes ask for it."""
        with self._lock:
            return self._only_indexes_want(part)

    def turn(self, part: Part) -> Part | None:
        """Have `part` brought as the other kind: a blob as a manifest, or a manifest as a blob.

        Returns the part to be started by the caller; None when it is in progress, or no longer wanted. Raises
        MalformedManifest on a loop.
        """
        with self._lock:
            if part.stopped:
                return None
            other_key = (part.digest, not part.is_manifest)
            other = self._shared.get(other_key)
            if other is not None:
                with self._keeping_depths():
                    charges.deepen([other], below=frozenset(part.needed_by))
            if self._shared.get(part.key) is part:
                del self._shared[part.key]
            part.key = other_key
            if other is None:
                self._shared[other_key] = part
                return part
            for above in part.needed_by:
                above.needs[above.needs.index(part)] = other
            other.needed_by += part.needed_by
            charges.give_back(part)
            charges.join(other, part.runs)
            self._live.pop(part, None)
            return None

    def fail(self, part: Part, error: BaseException) -> None:
        """Give up `part`: every run that wants it ends with `error`, and what only they wanted stops."""
        with self._lock:
            self._fail(part.runs, error)

    def stop(self, error: BaseException) -> None:
        """End every run, and every later one, with `error`."""
        with self._lock:
            self._stopped = error
            self._fail({run for part in self._live for run in part.runs}, error)

    @staticmethod
    def _only_indexes_want(part: Part) -> bool:
        return bool(part.needed_by) and not part.subject_of and all(one.is_index for one in part.needed_by)

    def _is_done(self, part: Part, key: Key, is_half: bool) -> bool:
        """A manifest that was only found there is not done for who looks below it. What `part` leaves out is done."""
        if part.left_out and key in part.left_out:
            return True
        return key in self._done and (key in self._whole or not (is_half and key[1]))

    def _finish(self, part: Part, moved: int | None) -> list[Part]:
        self._done.add(part.key)
        self._drop(part)
        _payer(part).count(part, moved)
        for run in part.subject_of:
            end_run(run, None)
        for above in part.needed_by:
            above.pending -= 1
            above.lacked |= moved is not None and above is part.looked_for_by
        return [above for above in dict.fromkeys(part.needed_by) if above.pending == 0 and not above.stopped]

    def _check(self, part: Part, wanted: Mapping[Key, Descriptor]) -> None:
        """Make room for what `part` wants: end those that may not have it; raises MalformedManifest if none may."""
        if part.key in wanted:
            raise MalformedManifest(f"{part.digest} contains itself")
        self._end_those_over(part, charges.over(part, wanted, self._shared))
        while True:
            shared = [below for key in wanted if (below := self._shared.get(key)) is not None]
            try:
                with self._keeping_depths():
                    charges.place(part, wanted, shared)
            except charges.TooDeep as error:
                self._end_those_over(part, dict.fromkeys(charges.deepest(part), error))
            else:
                return

    @contextmanager
    def _keeping_depths(self) -> Iterator[None]:
        """Restore the depths of all parts where some may not be put deeper."""
        try:
            yield
        except MalformedManifest:
            charges.settle_depths(self._live)
            raise

    def _end_those_over(self, part: Part, over: Mapping[CopyRun, ContentError]) -> None:
        """End the runs that may not have what `part` needs; raises the error of one where no other wants it."""
        if over and len(over) == len(part.runs):
            raise next(iter(over.values()))
        for run, error in over.items():
            self._fail((run,), error)

    def _add_below(self, part: Part, key: Key, descriptor: Descriptor) -> Part:
        for run in part.runs:
            run.parts += 1
        below = Part(key=key, owner=_payer(part), descriptor=descriptor, depth=part.depth + 1, runs=part.runs)
        self._add(below)
        return below

    def _add(self, part: Part) -> None:
        self._live[part] = None
        if part.tag is None:
            self._shared[part.key] = part

    def _drop(self, part: Part) -> None:
        part.needs.clear()
        part.manifest = None
        if part.kept:
            self._kept.give_back(part.kept)
            part.kept = 0
        self._live.pop(part, None)
        if self._shared.get(part.key) is part:
            del self._shared[part.key]

    def _fail(self, runs: Collection[CopyRun], error: BaseException) -> None:
        """End `runs`, which is whole: a part's runs are those of everything above it."""
        for run in in_order(runs):
            end_run(run, error)
        goes_on = False
        for part in list(self._live):
            left = part.runs.difference(runs)
            goes_on |= bool(left) and left != part.runs
            part.runs = left
            if not left:
                part.stopped = True
                self._drop(part)
        if goes_on:
            charges.settle_depths(self._live)


def _payer(part: Part) -> CopyRun:
    """The run that is told what `part` cost: its owner while that wants it, else one that does."""
    return part.owner if part.owner in part.runs else next(iter(in_order(part.runs)), part.owner)
