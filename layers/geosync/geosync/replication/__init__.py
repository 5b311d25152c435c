"""Making a secondary's repository equal to the primary's: copy, referrers, deletes, and the holder that runs them.

```
copy.py          one manifest with everything below it: PUT, what the registry names missing, PUT again
graph.py         which parts wait for which: in flight, done, loops, bounds. No I/O
workers.py       the threads: small things first, no task ever waits for another
blobs.py         one blob: mount or upload, streamed
capabilities.py  what a destination does with manifests and mounts, probed once
referrers.py     signatures, attestations, SBOMs: what else belongs to a digest
```
"""
