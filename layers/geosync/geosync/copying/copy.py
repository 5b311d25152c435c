"""The copy of one manifest with everything below it, without any record of what the destination holds.

PUT the manifest there. 201: done. 400 MANIFEST_BLOB_UNKNOWN names everything that is missing: bring that, children
before what refers to them, and PUT again, once. Below something missing nothing is asked: each blob's POST with a mount
from the same repository is its existence check. Requests, with the caller's GET and HEAD around it:

    an image with n layers and a config      3n + 7      GET, PUT, 3 x (n + 1), PUT, HEAD
    an index, k children, u unique blobs     3u + 2k + 4
    another tag for what is there            3
    a new config on layers that are there    7
    an image that another repository has     n + 5

A blob that has `urls` is brought first, if the source has it: a registry does not ask for it, as it may be at its URL
only. That costs one HEAD at the source, and nothing else where the source does not have the blob.

To a far source that is two rounds for an image (manifest; blobs, side by side) and three for an index.

No thread waits for another one: a part that is there starts what waited for it (graph.py, workers.py). So children of
any depth need no pools of their own, and a child's blobs begin when that child is read, whatever its siblings do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

from geosync.copying import referrers
from geosync.copying.blobs import BlobMover, Stopped
from geosync.copying.graph import CopyRun, Graph, Part
from geosync.copying.kinds import Kinds, Parts, may_be_of_another_kind
from geosync.copying.route import Route
from geosync.copying.sharing import CopiedElsewhere
from geosync.copying.workers import Workers
from geosync.errors import BlobsUnknown, NotFound, OutOfTime, Refused, RegistryError, RegistryUnavailable
from geosync.oci import media_types
from geosync.oci.manifests import Descriptor, Manifest

HEAVY_PARALLELISM = 6
"""Large layers in flight for one repository (workers.HEAVY says from which size)."""

MAX_PUTS = 3
"""The PUT that asks, the PUT that ends it, and one more if something went missing in between."""
LAST = 2**62
"""The size (bytes) that gives a task the last turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """The cost of one call of `Copier.copy`. A part that two calls share counts for the one that came first."""

    bytes_copied: int
    blobs_copied: int
    blobs_there: int
    """Blobs below something missing that were looked for, and found there or mounted from another repository."""
    manifests_put: int
    seconds: float


class Copier:
    """Copies manifests of one repository from the primary to the secondary; each holder has one. Thread-safe.

    Each blob and each child moves once in the life of a copier, however many references and threads there are. Use it
    as a context manager: afterwards none of its threads is alive.

    `before_tag_write` is called immediately before every PUT under a tag, in any thread; what it raises ends that copy.
    """

    def __init__(self, route: Route, *, before_tag_write: Callable[[], None]) -> None:
        self._route = route
        self._source = route.source
        self._destination = route.destination
        self._before_tag_write = before_tag_write
        self._mover = BlobMover(route)
        self._kinds = Kinds(route.source)
        self._graph = Graph()
        self._workers = Workers(
            most=route.parallelism, most_heavy=min(HEAVY_PARALLELISM, route.parallelism), threads=route.threads
        )
        self._fallback_lock = route.threads.lock()

    def copy(self, manifest: Manifest, tag: str | None) -> CopyResult:
        """Put `manifest` at the destination under `tag` (None: by its digest), with everything that it needs there.

        Blocks until it is there. The first error ends it and stops what nobody else wants. Raises ContentError when the
        source contradicts itself; NotFound, naming the blob or child, when the source lacks a part; BlobsUnknown
        when the destination goes on missing what it was given; Refused; Unauthorized; RegistryUnavailable;
        OutcomeUnknown when a manifest's PUT was not answered (the tag may be written, or may yet be); OutOfTime at the
        deadline; LayerUnfinished when a layer had most of the invocation and is no further; and what `before_tag_write`
        or `stop` gave.
        """
        started = self._route.clock.monotonic_s()
        run = self._run()
        root = self._graph.root(run, manifest, tag)
        if root is not None:
            self._start(root)
        _wait_for_end(run)
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
        run = self._run()
        if not self._graph.join(run, digest):
            return False
        _wait_for_end(run)
        return True

    def copy_referrers(self, manifest: Manifest) -> int:
        """Copy what refers to `manifest`, to all below it, and to those referrers in turn. Returns how many it copied.

        For a backfill or a resync: one request to the source for each manifest asked about, if it has the API.
        """
        copied = 0
        for referrer in referrers.missing(self._route.pair, manifest, self._route.threads):
            self.copy(referrer, None)
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

    def _run(self) -> CopyRun:
        return CopyRun(self._route.threads.event())

    # What follows runs in the workers' threads, `_start` in the caller's too.

    def _start(self, part: Part) -> None:
        if part.is_manifest:
            self._submit(part, self._begin_manifest, size=0)
        else:
            self._submit(part, self._bring_blob, size=part.descriptor.size)

    def _submit(self, part: Part, step: Callable[[Part], None], *, size: int) -> None:
        self._workers.submit(partial(self._carry, part, step), size=size)

    def _carry(self, part: Part, step: Callable[[Part], None]) -> None:
        """Take a step, and carry what it raises to whoever waits for the part."""
        try:
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
            moved = self._mover.bring(part.descriptor, lambda: part.stopped)
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
        if manifest is None:
            try:
                if not self._route.capabilities.checks_children and self._is_there(part.digest):
                    self._finish(part, None)
                    return
                manifest = self._fetch(part.digest)
            except RegistryError as error:
                if not self._turned(part, error):
                    raise
                return
            self._graph.hold(part, manifest)
        elif self._put_asks(manifest):
            if not self._wait_for(part, (), self._kinds.parts(manifest).blobs_at_urls):
                self._put(part, manifest)
            return
        below = self._kinds.parts(manifest)
        if not self._wait_for(part, below.manifests, below.all_blobs):
            self._put(part, manifest)

    def _put_asks(self, manifest: Manifest) -> bool:
        """True if this destination refuses `manifest` as long as a part of it is missing.

        Its habits with an image and an index are known. To many registries the artifact manifest, withdrawn from the
        specification, is a document like any other.
        """
        habits = self._route.capabilities
        below = self._kinds.parts(manifest)
        if manifest.media_type == media_types.OCI_ARTIFACT_MANIFEST:
            return not below.blobs
        return (habits.checks_children or not below.manifests) and (habits.checks_blobs or not below.blobs)

    def _is_there(self, digest: str) -> bool:
        return self._destination.head_manifest(digest) is not None

    def _fetch(self, digest: str) -> Manifest:
        manifest = self._source.get_manifest(digest)
        if manifest is None:
            request = f"GET /v2/{self._source.name}/manifests/{digest}"
            raise NotFound(self._source.client.name, request, status=404, detail="an index refers to it")
        return manifest

    def _wait_for(self, part: Part, children: Sequence[Descriptor], blobs: Sequence[Descriptor]) -> bool:
        """Have `part` put when all of these are there. False when they are there already."""
        fresh = self._graph.need(part, children, blobs)
        if fresh is None:
            return False
        self._route.sharing.look_for(below.descriptor for below in fresh if not below.is_manifest)
        for below in fresh:
            self._start(below)
        return True

    def _put(self, part: Part, manifest: Manifest) -> None:
        part.puts += 1
        if part.tag is not None:
            self._before_tag_write()
        try:
            self._destination.put_manifest(part.tag or part.digest, manifest)
        except BlobsUnknown as answer:
            if part.puts >= MAX_PUTS:
                raise
            children, blobs = _named(answer, self._kinds.parts(manifest))
            if part.puts > 1:
                self._graph.undo(self._mover.disbelieve(blob.digest for blob in blobs))
            if self._wait_for(part, children, blobs):
                return
            # All of it was brought in this run: another reference's copy can have been a moment ahead, but only once.
            if part.puts > 1:
                raise
            self._put(part, manifest)
            return
        except RegistryUnavailable as error:
            if error.status == 500 and "UNKNOWN" in error.codes and (format_ := _unusual(manifest)):
                detail = f"it answers so to {format_}, which it does not take"
                raise Refused(error.registry, error.request, status=500, codes=error.codes, detail=detail) from error
            raise
        if part.is_subject and not self._route.capabilities.referrers_api and manifest.subject is not None:
            self._keep_fallback_tag(manifest)
        self._finish(part, len(manifest.content))

    def _keep_fallback_tag(self, manifest: Manifest) -> None:
        with self._fallback_lock:
            referrers.keep_fallback_tag(self._route.pair, manifest, before_tag_write=self._before_tag_write)

    def _finish(self, part: Part, moved: int | None) -> None:
        for above in self._graph.finish(part, moved):
            if above.manifest is not None:  # it is: only manifests wait
                self._submit(above, partial(self._put, manifest=above.manifest), size=0)


def _wait_for_end(run: CopyRun) -> None:
    """Wait until the reference is there; raises what keeps it from being there."""
    run.ended.wait()
    if run.error is not None:
        raise run.error


def _named(answer: BlobsUnknown, below: Parts) -> tuple[list[Descriptor], list[Descriptor]]:
    """Return the manifests and the blobs of `below` that a registry named missing; all when it named none.

    Raises Refused when it wants something that cannot be brought.
    """
    missing = set(answer.missing)
    children = [child for child in below.manifests if not missing or child.digest in missing]
    blobs = [blob for blob in below.blobs if not missing or blob.digest in missing]
    if not children and not blobs:
        raise Refused(
            answer.registry,
            answer.request,
            status=answer.status,
            codes=answer.codes,
            detail=f"it wants {', '.join(answer.missing[:3])}: not in the manifest, or a layer that is only at a URL",
        ) from answer
    return children, blobs


def _unusual(manifest: Manifest) -> str | None:
    """Name what Distribution 2.8 refuses with `500 UNKNOWN`, as if it had failed: its own decision, which stays."""
    if manifest.media_type in media_types.SCHEMA1:
        return "Docker schema 1"
    if manifest.blobs_at_urls:
        return "a layer that is only at a URL"
    return None
