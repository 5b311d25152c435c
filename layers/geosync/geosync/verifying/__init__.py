"""Rolling verification: what was seen equal once is looked at again, down to its blobs, at a pace that settings bound.

A row that is synced waits in shards of the index `due` of its own (sync_registry/transitions/leases.py). Every minute
functions/reconcile sends those that are due to the work queue (choose.py). functions/sync, which alone may read the
registries' secrets, makes the requests (verifier.py). For those who want it now: reverify.py; for the status:
counts.py.

```
verifier.py          one repository: begin a round or go on with it, and write down how it ended
rounds.py, place.py  one run of a round; its place, and when it makes room
known_tags.py        phase 1, every tag that was seen equal once; sample.py: blobs that are read back
listed_tags.py       phase 2, every tag that the primary lists
confirming.py        phase 3, what looked different; verdict.py: the checksums, and what becomes owed
looks.py, contents.py, asking.py  a tag on both sides; what is below its manifest; each request counted
```
"""
