"""A part of references, and the references that want it: what the graph (graph.py) is made of, and its bounds.

Nothing here is locked: all of it belongs to the graph.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from operator import attrgetter

from geosync.oci.manifests import MAX_REFERRED, Descriptor, Manifest

MAX_DEPTH = 16
MAX_PARTS = MAX_REFERRED
MAX_EDGES = 10 * MAX_PARTS
"""Parts that manifests below one reference wait for, each as often as one names it: an edge takes 17 bytes."""
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
"""Manifests below one reference, in all. What is in memory at one time has another bound (oci/memory.py)."""

_numbers = itertools.count()

Key = tuple[str, bool]
"""A digest, and whether it is wanted as a manifest (the same bytes may be wanted as a blob elsewhere)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Lessons of earlier attempts to copy a reference, for the next one; FIRST_TRY has none.

    `is_again`: one failed, or had no answer to a write. So what refers to many parts is put only after them
    (refusals.MANY_PARTS). `looks_below`: one broke off, so that a child may be there without what is below it. A
    manifest that is found there is looked below. `leaves_out`: the source lacked a child in several. An index is put
    without such a child, where the destination takes it so.
    """

    is_again: bool = False
    looks_below: bool = False
    leaves_out: bool = False


FIRST_TRY = Retry()


@dataclass(eq=False, slots=True)
class CopyRun:
    """One reference on its way: `ended` is set once it is there or once `error` says why it is not."""

    ended: threading.Event
    retry: Retry = FIRST_TRY
    number: int = field(default_factory=_numbers.__next__, init=False)
    """Those that came later have higher ones: sets of them are gone through in this order, the same in each replay."""
    error: BaseException | None = None
    parts: int = 0
    """Parts below it, of its own and of others (charges.py)."""
    edges: int = 0
    manifest_bytes: int = 0
    bytes_copied: int = 0
    blobs_copied: int = 0
    blobs_there: int = 0
    manifests_put: int = 0

    def wait(self) -> None:
        """Wait until the reference is there; raises what keeps it from being there."""
        self.ended.wait()
        if self.error is not None:
            raise self.error

    def count(self, part: Part, moved: int | None) -> None:
        """Add what one part cost: `moved` bytes, None when it was there."""
        if part.is_manifest:
            self.manifests_put += moved is not None
        elif moved is None:
            self.blobs_there += 1
        else:
            self.blobs_copied += 1
            self.bytes_copied += moved


@dataclass(eq=False, slots=True, kw_only=True)
class Part:
    """Something that has to be at the destination.

    `puts`, `tag_last` and `was_refused` are its worker's; all else belongs to the graph and its lock.
    """

    key: Key
    owner: CopyRun
    """The run that came first: what this part costs is counted there, while that still wants it."""
    descriptor: Descriptor
    manifest: Manifest | None = None
    manifest_bytes: int = 0
    """The bytes of its manifest, once it was read below what somebody asked for."""
    kept: int = 0
    """Bytes that its manifest takes of what may be kept."""
    tag: str | None = None
    tag_last: bool = False
    """Its tag is another image until all of this one is there: it is put by its digest before."""
    was_refused: bool = False
    """The destination refused the manifest for what is missing below it."""
    is_index: bool = False
    puts: int = 0
    depth: int = 0
    runs: frozenset[CopyRun] = frozenset()
    subject_of: list[CopyRun] = field(default_factory=list)
    """The runs that end when this part is there."""
    needs: list[Part] = field(default_factory=list)
    needed_by: list[Part] = field(default_factory=list)
    pending: int = 0
    left_out: set[Key] | None = None
    """What it is put without: the source lacks it. Whatever else lists that asks the source anew."""
    looked_for_by: Part | None = None
    """The part that had it looked for although no answer named it missing: it is most likely there."""
    taken: bool = False
    """The destination took the manifest, and what is below it is looked for."""
    lacked: bool = False
    """Something that it had looked for was missing; what was already under way for another part does not count."""
    is_listed: bool = False
    """The destination said that it lists it among its subject's referrers."""
    stopped: bool = False
    """No longer wanted: its copy stops at the next request or chunk."""

    @property
    def digest(self) -> str:
        """The digest of the blob or manifest."""
        return self.key[0]

    @property
    def is_manifest(self) -> bool:
        """True if it is put as a manifest."""
        return self.key[1]

    @property
    def look_first(self) -> bool:
        """True if it is most likely there."""
        return self.looked_for_by is not None

    @property
    def is_subject(self) -> bool:
        """True if a run is about this very part, and not only about something above it."""
        return bool(self.subject_of)


def looks_below(part: Part) -> bool:
    """Some run that wants `part` also checks the parts of what is found there."""
    return any(run.retry.looks_below for run in part.runs)


def end_run(run: CopyRun, error: BaseException | None) -> None:
    """End `run`, with `error` if there is one."""
    run.error = error
    run.ended.set()


def in_order(runs: Collection[CopyRun]) -> list[CopyRun]:
    """Return `runs` in the order in which they came."""
    return sorted(runs, key=attrgetter("number"))
