"""The sync registry: what is owed, who works on it, and when it is tried again.

`sync_registry` is the one door for the rest of Geosync. Its parts are `readings` (reads without a lease), `marking`,
`attempts`, and `switches` (pause and holds); `held_lease` is the lease in a holder's hand, through which every write
under the lease goes.

Below stand the values (`items`, `timing`), the pure functions (`transitions`, `decisions`), the items of the whole site
(`site`), and conditional writes as data with the tables that carry them out (`table`).
"""
