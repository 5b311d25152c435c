"""Making a secondary's repository equal to the primary's.

```
holder.py            works off one repository under its lease (lease.py)
reference.py         one owed reference: look, copy or remove, look again
deletes.py           removes a tag where a registry has no way to do it
catalogue.py         the walk through the primary's catalogue: backfill and comparison; progress.py how far it is
whole_repository.py  compares one repository tag by tag; missing.py what the primary has no more
rows.py              what the walk did not come by: gone from the primary, or from the selection
copy.py              one manifest with everything below it: PUT, what the registry names missing, PUT again
graph.py             which parts wait for which: in flight, done, loops, bounds. No I/O
workers.py           the threads: small things first, no task ever waits for another
blobs.py             one blob: mount or upload, streamed; chunks.py, pace.py, uploads.py what does not fit into one go
repair.py            blobs that verification found missing or wrong
capabilities.py      what a destination does with manifests and mounts, probed once
referrers.py         signatures, attestations, SBOMs: what else belongs to a digest
work.py              the messages of the work queue; reporting.py what operators are told
```
"""
