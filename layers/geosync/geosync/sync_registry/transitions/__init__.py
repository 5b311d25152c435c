"""The transitions of what is owed and of the lease: pure functions from values and a time to conditional writes.

```
mark       owed item: a new unique mark, expects += the event's digest, due = now     (always first)
knock      row: revision += 1; state 0 unless leased; with no live lease, acquire in the same write
acquire    a new token each time; over an EXPIRED lease suspect_until = its expiry + suspect
renew      while working; if the revision it returns moved, references came in
suspect    a tag write of unknown outcome: suspect_until = now + suspect, in this and every later write of the lease
release    state 0; the lease goes; due at suspect_until while a tag write may still land (likewise finish)
finish     lease mine and revision unchanged since the query that found nothing due: the lease goes
discharge  transaction {row.lease = me; owed.mark = what I read}: delete owed, put tag#…
postpone   that reference: due later; only if it was not marked again, as hold_back, fail, advance and look_anew
hold_back  that reference: due later, with why: a registry or the table cannot be used; no attempt is counted
fail       that reference: attempts, failure, due = backoff; the others go on
advance    the whole repository: cursor
look_anew  that reference: another mark, due = now, and nothing else: the primary is looked at once more
```

`marks` has mark; `leases` knock, acquire, renew, suspect, release, finish; `discharge` discharge, and what a comparison
records; `attempts` postpone, hold_back, fail, advance, look_anew. `verification` has the verification states of a row.

A knock, and a discharge of anything but the whole repository, take away the row's `verification_state` and
`verification_due`: what was verified is not what is there now. A finish that leaves the row synced makes it due for
verification (at once, or when it was due before), in shards of the index `due` that no sweep reads.

Each rule in `marks`, `leases`, `discharge`, `attempts` and `decisions` is held by the model in the tests: without it, a
violation comes back.
"""
