"""The copy of one manifest with everything below it, without any record of what the destination holds.

PUT the manifest there. 201: done. 400 MANIFEST_BLOB_UNKNOWN names everything that is missing: bring that, children
before what refers to them, and PUT again, once. Below something missing nothing is asked: each blob's POST with a mount
from the same repository is its existence check. Requests, with the caller's GET and HEAD around it:

    an image with n layers and a config      3n + 7      GET, PUT, 3 x (n + 1), PUT, HEAD
    an index, k children, u unique blobs     3u + 2k + 4
    another tag, copied in the same run      3
    another tag of an image that is there    n + 4       GET, PUT, n + 1, HEAD
    another tag of an index that is there    k + 3
    where the tag was another image before   1 more      GET, PUT by digest, n + 1, PUT, HEAD
    a new config on layers that are there    7
    an image that another repository has     n + 5

In a repository that is new at the destination all is missing, and the PUT that asks is spared: one request less for
each reference, and a round. It is also spared after an attempt that failed, for what refers to 100 parts and more: the
answer to that PUT may be what did not come in time (refusals.MANY_PARTS). What is there costs its POST then: n + 1
instead of none.

A 201 says that everything is there only on a registry that checks. Whether it does was learnt once, and a registry may
be configured anew: that habit is no proof. The refusal of an image shows that its blobs are checked. Nothing shows it
of a manifest that is taken at once, nor of what a refusal of an index does not name (Distribution 3 can be told to
check some platforms only). So these are looked for after the 201, one request each, unless this copier brought them or
looked at them before. What is missing is brought, and the manifest is put again; the habit is then `disproved`. A tag
that moves (`replaces`) names a whole image until then, and is put last: the PUT that asks is by the digest. Of an image
that is new here it is refused, and costs nothing more.

A blob that has `urls` is brought first, if the source has it: a registry does not ask for it, as it may be at its URL
only. That costs one HEAD at the source, and nothing else where the source does not have the blob.

To a far source that is two rounds for an image (manifest; blobs, side by side) and three for an index. No thread waits
for another one: a part that is there starts what waited for it (graph.py, workers.py). So children of any depth need no
pools of their own, and a child's blobs begin when that child is read, whatever its siblings do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from types import TracebackType

from geosync.copying import referrers, refusals
from geosync.copying.blobs import BlobMover
from geosync.copying.graph import Graph
from geosync.copying.hands import Hands
from geosync.copying.kinds import Kinds, absent, may_be_of_another_kind
from geosync.copying.outcome import CopyResult
from geosync.copying.parts import FIRST_TRY, CopyRun, Part, Retry
from geosync.copying.route import Route
from geosync.copying.sharing import CopiedElsewhere
from geosync.copying.sizes import Sizes
from geosync.copying.stopping import Stopped
from geosync.copying.workers import Workers
from geosync.errors import BlobsUnknown, Denied, NotFound, OutOfTime, Refused, RegistryError
from geosync.oci.manifests import Descriptor, Manifest

HEAVY_PARALLELISM = 6
"""Large layers in flight for one repository (workers.HEAVY says from which size)."""

MAX_PUTS = 3
"""The PUT that asks, the PUT that ends it, and one more if something went missing in between."""
LAST = 2**62
"""The size (bytes) that gives a task the last turn."""


class Copier:
    """Copies manifests of one repository from the primary to the secondary; each holder has one. Thread-safe.

    Each blob and each child moves once in the life of a copier, however many references and threads there are. Use it
    as a context manager: afterwards none of its threads is alive.

    `tag_write` stands around every PUT under a tag, in any thread, and sees what it raises; what the guard itself
    raises ends that copy.
    """

    disproved = False
    """The destination was seen not to check what it was known to check: its registry has to be asked anew."""

    def __init__(self, route: Route, *, tag_write: Callable[[], AbstractContextManager[None]]) -> None:
        self._route = route
        self._source = route.source
        self._destination = route.destination
        self._tag_write = tag_write
        self._habits = route.capabilities
        self._mover = BlobMover(route)
        self._hands = Hands(route, self._mover)
        self._kinds = Kinds(route.source)
        self.sizes = Sizes(self._kinds)
        self._memory = route.source.client.memory
        self._graph = Graph(self._memory.kept)
        self._workers = Workers(
            most=route.parallelism, most_heavy=min(HEAVY_PARALLELISM, route.parallelism), threads=route.threads
        )
        self._fallback_tags = referrers.FallbackTags(
            route.pair, has_api=self._habits.referrers_api, tag_write=tag_write, threads=route.threads
        )

    def copy(
        self,
        manifest: Manifest,
        tag: str | None,
        *,
        is_there: bool = False,
        retry: Retry = FIRST_TRY,
        replaces: bool = False,
        begin: Callable[[], None] = lambda: None,
    ) -> CopyResult:
        """Put `manifest` at the destination under `tag` (None: by its digest), with everything that it needs there.

        One that `is_there` is put only if something below it was not. `replaces`: the destination has another image
        under the tag, which stays until all of this one is there. `begin` is called once there is memory for it, before
        the first request; what it raises ends the copy.

        Blocks until it is there. The first error ends it and stops what nobody else wants. Raises ContentError when the
        source contradicts itself; NotFound, naming the blob or child, when the source lacks a part; BlobsUnknown
        when the destination goes on missing what it was given, or what it has; Refused; Unauthorized;
        RegistryUnavailable; OutcomeUnknown when a manifest's PUT was not answered (the tag may be written, or may yet
        be); OutOfTime at the deadline; LayerUnfinished when a layer had most of the invocation and is no further; and
        what `tag_write` or `stop` gave.
        """
        started = self._route.clock.monotonic_s()
        run = CopyRun(self._route.threads.event(), retry)
        with self._memory.graph(len(manifest.content), self._route.deadline, is_wide=manifest.is_index):
            begin()
            root = self._graph.root(run, manifest, tag)
            if root is not None:
                root.taken, root.tag_last = is_there, replaces and tag is not None
                self._start(root)
            run.wait()
        return CopyResult(
            bytes_copied=run.bytes_copied,
            blobs_copied=run.blobs_copied,
            blobs_there=run.blobs_there,
            manifests_put=run.manifests_put,
            seconds=self._route.clock.monotonic_s() - started,
        )

    def join(self, digest: str) -> bool:
        """Wait for the manifest `digest` if it was brought, or is being brought, by this copier; False if not.

        An index brings its children: what else asks for one of them needs no request of its own. Raises as `copy`.
        """
        run = CopyRun(self._route.threads.event())
        if not self._graph.join(run, digest):
            return False
        run.wait()
        return True

    def copy_referrers(self, manifest: Manifest, *, retry: Retry = FIRST_TRY) -> int:
        """Copy what refers to `manifest`, to all below it, and to those referrers in turn. Returns how many it copied.

        For a backfill or a resync: one request to the source for each manifest asked about, if it has the API.
        """
        copied = 0
        for referrer in referrers.missing(self._route.pair, manifest, self._route.threads):
            self.copy(referrer, None, retry=retry)
            copied += 1
        return copied

    def stop(self, error: BaseException) -> None:
        """Have every copy that is running, and every later one, end with `error` (a lost lease). Does not wait."""
        self._graph.stop(error)

    def close(self) -> None:
        """Stop whatever runs and wait until no thread is left, which takes as long as the requests in flight."""
        self.stop(OutOfTime("the copier was closed"))
        self._workers.close()

    def __enter__(self) -> Copier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What follows runs in the workers' threads, `_start` in the caller's too.

    def _start(self, part: Part) -> None:
        if part.is_manifest:
            self._submit(part, self._begin_manifest, size=0)
        else:
            self._submit(part, self._bring_blob, size=part.descriptor.size)

    def _submit(self, part: Part, step: Callable[[Part], None], *, size: int) -> None:
        self._workers.submit(partial(self._carry, part, step), size=size)

    def _carry(self, part: Part, step: Callable[[Part], None]) -> None:
        """Take a step, and pass what it raises on to those that wait for the part."""
        try:
            with self._memory.step(self._route.deadline):
                if part.manifest is not None:
                    self._memory.need(len(part.manifest.content))
                if not part.stopped:
                    step(part)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - a thread's edge: as with a future, the waiting caller raises it
            self._graph.fail(part, error)

    def _turned(self, part: Part, error: RegistryError) -> bool:
        """Bring an index's entry as the other kind, where that is how the primary has it; False if it is not."""
        if not may_be_of_another_kind(error) or not self._graph.may_turn(part):
            return False
        if not self._kinds.turns(part.descriptor, is_manifest=part.is_manifest):
            return False
        if (go_on := self._graph.turn(part)) is not None:
            self._start(go_on)
        return True

    def _bring_blob(self, part: Part) -> None:
        try:
            moved = self._mover.bring(part.descriptor, lambda: part.stopped, look_first=part.look_first)
        except CopiedElsewhere:
            self._route.deadline.check()
            self._route.sharing.wait(part.descriptor)
            self._submit(part, self._bring_blob, size=LAST)  # what nobody else copies goes first
        except NotFound as error:
            if not self._turned(part, error):
                raise
        else:
            self._finish(part, moved)

    def _begin_manifest(self, part: Part) -> None:
        manifest = part.manifest
        asks = manifest is not None and not part.taken and self._put_asks(part, manifest)
        part.tag_last &= asks and not self._graph.is_whole(part)
        if manifest is None:
            manifest = self._read(part)
            if manifest is None:
                return
        below = self._kinds.parts(manifest)
        self._graph.admit(part, len(below.manifests) + len(below.all_blobs))
        self.sizes.begin(manifest, below)
        children, blobs = ((), below.blobs_at_urls) if asks else (below.manifests, below.all_blobs)
        if not self._wait_for(part, children, blobs, look_first=part.taken):
            self._go_on(part, manifest)

    def _read(self, part: Part) -> Manifest | None:
        """Read a child from the source; None where it is at the destination, is brought as a blob, or is left out."""
        is_unchecked = part.look_first or not self._habits.checks_children
        try:
            if is_unchecked and self._is_there(part.digest):
                above = self._graph.finish_found(part)
                if above is not None:
                    self._go_on_above(above)
                    return None
                part.taken = True
            manifest = self._fetch(part.digest)
        except RegistryError as error:
            if not self._turned(part, error) and not (is_unchecked and self._is_left_out(part, error)):
                raise
            return None
        self._graph.hold(part, manifest)
        return manifest

    def _is_left_out(self, part: Part, error: RegistryError) -> bool:
        """Go on without a child that the source lacks, too; False where that may not be."""
        above = self._graph.leave_out(part, error) if isinstance(error, NotFound) else None
        self._go_on_above(above or ())
        return above is not None

    def _put_asks(self, part: Part, manifest: Manifest) -> bool:
        """True if this destination refuses `manifest`, and in time, as long as a part of it is missing."""
        if self._mover.is_new and refusals.unusual(manifest) is None:
            return False
        below = self._kinds.parts(manifest)
        if self._graph.is_tried_again(part) and refusals.may_be_late(below):
            return False
        return refusals.is_sure(manifest, below, self._habits)

    def _is_there(self, digest: str) -> bool:
        return self._destination.head_manifest(digest) is not None

    def _fetch(self, digest: str) -> Manifest:
        manifest = self._source.get_manifest(digest)
        if manifest is None:
            raise absent(self._source, digest)
        return manifest

    def _wait_for(
        self, part: Part, children: Sequence[Descriptor], blobs: Sequence[Descriptor], *, look_first: bool = False
    ) -> bool:
        """Have `part` go on when all of these are there. False when they are there already."""
        fresh = self._graph.need(part, children, blobs, look_first=look_first)
        if fresh is None:
            return False
        missing = (below.descriptor for below in fresh if not below.is_manifest)
        self._hands.look_for(missing, may_be_there=look_first)
        for below in fresh:
            self._start(below)
        return True

    def _put(self, part: Part, manifest: Manifest) -> None:
        part.puts += 1
        tag = part.tag if not part.tag_last else None
        try:
            with self._tag_write() if tag is not None else nullcontext(), refusals.explained(manifest):
                part.is_listed |= self._destination.put_manifest(tag or part.digest, manifest)
        except BlobsUnknown as answer:
            part.was_refused, part.taken = True, False
            if part.puts < MAX_PUTS and self._brings_missing(part, manifest, answer):
                return
            # All of it was brought in this run. Another reference's copy can have been a moment ahead, but only once.
            # After that it is looked for, and a registry that was asked may come to remember it.
            if part.puts > 1:
                below = self._kinds.parts(manifest)
                refusals.blame(
                    answer, self._destination, below, is_index=manifest.is_index, is_last=part.puts >= MAX_PUTS
                )
            self._put(part, manifest)
            return
        except (Refused, Denied):
            if not part.tag_last:
                raise
            part.tag_last, part.puts = False, 0  # it may have a rule about manifests without a tag
            self._put(part, manifest)
            return
        if not self._looks_below(part, manifest):
            self._end(part, manifest)

    def _brings_missing(self, part: Part, manifest: Manifest, answer: BlobsUnknown) -> bool:
        """Bring what a refusal names; False if all of it was brought in this run.

        A registry that is not content with that may name only the first that it misses: then everything is looked for.
        """
        below = self._kinds.parts(manifest)
        children, blobs = refusals.missing(answer, below)
        if part.puts == 1:
            self._mover.note_missing(answer.missing)
            return self._wait_for(part, children, blobs)
        self._graph.undo(self._mover.disbelieve(blob.digest for blob in blobs))
        return self._wait_for(part, below.manifests, below.blobs, look_first=True)

    def _looks_below(self, part: Part, manifest: Manifest) -> bool:
        """Look for what is below a manifest that was taken, where nothing shows that it is there; False if all is."""
        if part.taken or self._graph.is_whole(part):
            return False
        part.taken, part.lacked = True, False
        if part.was_refused and not manifest.is_index:
            return False
        below = self._kinds.parts(manifest)
        return self._wait_for(part, below.manifests, below.blobs, look_first=True)

    def _go_on(self, part: Part, manifest: Manifest) -> None:
        """Put a manifest, now that what it waited for is there; one that was taken, only if it lacked something."""
        if part.taken and not part.lacked:
            self._end(part, manifest)
            return
        if part.taken:
            self.disproved = True
            self._habits = replace(
                self._habits,
                checks_children=self._habits.checks_children and not manifest.is_index,
                checks_blobs=self._habits.checks_blobs and manifest.is_index,
            )
        elif part.puts and part.tag_last and manifest.is_index:  # its refusal need not name all children
            below = self._kinds.parts(manifest)
            if self._wait_for(part, below.manifests, below.blobs, look_first=True):
                return
        part.tag_last &= part.puts == 0
        self._put(part, manifest)

    def _end(self, part: Part, manifest: Manifest) -> None:
        if part.tag_last:
            part.tag_last = False
            self._put(part, manifest)
            return
        self.sizes.end(manifest.digest)
        if part.is_subject and not part.is_listed:
            self._fallback_tags.keep(manifest)
        self._finish(part, len(manifest.content) if part.puts else None)

    def _go_on_with(self, part: Part) -> None:
        """Go on with a manifest whose parts are there; one that there was no room for is read again."""
        self._go_on(part, part.manifest or self._fetch(part.digest))

    def _finish(self, part: Part, moved: int | None) -> None:
        self._go_on_above(self._graph.finish(part, moved))

    def _go_on_above(self, parts: Sequence[Part]) -> None:
        for above in parts:
            self._submit(above, self._go_on_with, size=0)  # only manifests wait
