"""Rolling verification: what was seen equal once is looked at again, down to its blobs, at a pace that settings bound.

A row that is synced waits in shards of the index `due` of its own (sync_registry/transitions/leases.py). Every minute
functions/reconcile sends those that are due to the work queue (choose.py); functions/sync, which alone may read the
registries' secrets, makes the requests (verifier.py). For those who want it now: reverify.py; for the status:
counts.py.
"""
