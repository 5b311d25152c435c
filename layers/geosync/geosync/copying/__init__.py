"""Copying one manifest with everything below it from the primary's registry to the secondary's.

```
route.py       one pair, with what a holder knows of the way between its two repositories
copy.py        the copy: PUT the manifest, bring what the registry names missing, PUT it again
graph.py       which parts wait for which: in flight, done, loops, bounds. No I/O
kinds.py       what is below a manifest: the primary decides what an index's entry is
workers.py     the threads: small things first, no task ever waits for another
blobs.py       one blob: found, mounted, copied by S3, or streamed; stopping.py what nobody wants any more
opening.py     the source's answer, awaited beside the destination's
readers.py     its bytes, over one connection or several; ring.py what several have read ahead
sharing.py     who else at this site has a blob, or copies it now
hands.py       a large image is shared: turns.py what the holder copies, helping.py what a helper does
s3/            layers that S3 copies, from the primary's bucket to this site's
chunks.py      a layer that does not fit into one request; uploads.py the layers that are under way
refusals.py    what a refusal of a manifest means
repair.py      blobs that verification found missing or wrong
referrers.py   signatures, attestations, SBOMs: what refers to a manifest
outcome.py     how one attempt at a reference ended, and what a copy cost
```
"""
