"""The charge of each reference for the parts that it wants, and those that want too much.

A part that several references want is charged to each of them, so that none fails for what another one has: a bound
that is met at a shared part ends those that are over it, and the others go on. The lock is the graph's (graph.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from geosync.copying.parts import MAX_DEPTH, MAX_EDGES, MAX_MANIFEST_BYTES, MAX_PARTS, CopyRun, Key, Part, in_order
from geosync.errors import ContentError, MalformedManifest, TooLarge


class TooDeep(MalformedManifest):
    """A part would be nested too deep; it reaches no caller of the graph's but as MalformedManifest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"{digest}: nested deeper than {MAX_DEPTH}")


def join(part: Part, runs: frozenset[CopyRun]) -> None:
    """Add `runs` to `part` and to everything it waits for, and charge them."""
    fresh = runs - part.runs
    if not fresh:
        return
    for run in fresh:
        run.parts += 1
        run.edges += len(part.needs)
        run.manifest_bytes += part.manifest_bytes
    part.runs |= runs
    for below in part.needs:
        join(below, runs)


def give_back(part: Part) -> None:
    """Stop charging for `part` itself: another part takes its place."""
    for run in part.runs:
        run.parts -= 1


def charge_edges(part: Part, count: int) -> None:
    """Charge who wants `part` for the parts that it names."""
    for run in part.runs:
        run.edges += count


def charge_bytes(part: Part, size: int) -> dict[CopyRun, ContentError]:
    """Charge who wants `part` for the bytes of its manifest; returns those who have too many now."""
    part.manifest_bytes = size
    over: dict[CopyRun, ContentError] = {}
    for run in in_order(part.runs):
        run.manifest_bytes += size
        if run.manifest_bytes > MAX_MANIFEST_BYTES:
            text = f"{part.digest}: more than {MAX_MANIFEST_BYTES} bytes of manifests under one reference"
            over[run] = TooLarge(text)
    return over


def check_count(part: Part, count: int) -> None:
    """Raise MalformedManifest where `part` alone names more than one reference may have."""
    if count > MAX_PARTS:
        raise _too_many(part)


def over(part: Part, wanted: Collection[Key], shared: Mapping[Key, Part]) -> dict[CopyRun, ContentError]:
    """Return those who may not have all that `part` wants beside what they have; `shared` are parts in flight."""
    in_flight = [below for key in wanted if (below := shared.get(key)) is not None]
    found: dict[CopyRun, ContentError] = {}
    for run in in_order(part.runs):
        if run.parts + len(wanted) - sum(run in below.runs for below in in_flight) > MAX_PARTS:
            found[run] = _too_many(part)
        elif run.edges + len(wanted) > MAX_EDGES:
            text = f"{part.digest}: manifests under one reference name more than {MAX_EDGES} parts"
            found[run] = MalformedManifest(text)
    return found


def place(part: Part, wanted: Collection[Key], shared: Iterable[Part]) -> None:
    """Have `part` be above all that it wants, of which others want `shared` already. Raises as `deepen`."""
    if wanted and part.depth >= MAX_DEPTH:
        raise TooDeep(part.digest)
    deepen(shared, below=(part,))


def deepen(parts: Iterable[Part], *, below: Collection[Part]) -> None:
    """Have `parts` be deeper than everything in `below`, which is to wait for them, and so on for what they wait for.

    Raises MalformedManifest where one of `below` is reached, which would be a loop, and TooDeep where something would
    be deeper than MAX_DEPTH. What is deep enough is not looked at again, so a part is put deeper at most MAX_DEPTH
    times, and an image costs its edges, however they are laid. To look below each edge for a loop took the square of
    them.
    """
    least = 1 + max((part.depth for part in below), default=0)
    ahead = [(part, least) for part in parts]
    while ahead:
        part, least = ahead.pop()
        if part.depth >= least:
            continue
        if part in below:
            raise MalformedManifest(f"{part.digest} contains itself")
        if least > MAX_DEPTH:
            raise TooDeep(part.digest)
        part.depth = least
        ahead.extend((one, least + 1) for one in part.needs)


def deepest(part: Part) -> frozenset[CopyRun]:
    """Return those by whom `part` is as deep as it is: the longest chain above it begins at what they are about."""
    found: set[CopyRun] = set()
    seen, ahead = {part}, [part]
    while ahead:
        one = ahead.pop()
        if one.depth == 0:
            found |= one.runs
        for above in one.needed_by:
            if above.depth == one.depth - 1 and not above.stopped and above not in seen:
                seen.add(above)
                ahead.append(above)
    return frozenset(found) & part.runs or part.runs


def settle_depths(live: Collection[Part]) -> None:
    """Give the parts in flight the depths that they have without those that were given up."""
    waits = dict.fromkeys(live, 0)
    for part in live:
        part.depth = 0
        for below in part.needs:
            if below in waits:
                waits[below] += 1
    ready = [part for part, count in waits.items() if not count]
    while ready:
        part = ready.pop()
        for below in part.needs:
            if below in waits:
                below.depth = max(below.depth, part.depth + 1)
                waits[below] -= 1
                if not waits[below]:
                    ready.append(below)


def _too_many(part: Part) -> MalformedManifest:
    return MalformedManifest(f"{part.digest}: more than {MAX_PARTS} manifests and blobs under one reference")
