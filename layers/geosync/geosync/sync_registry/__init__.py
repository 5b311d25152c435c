"""What is owed, who is on it and when to try again: the store protocol, and its table.

`items` has the values, `table` conditional writes as data and the tables that carry them out, `transitions` the pure
transitions, `decisions` what a look proves, `site` the items that concern the whole site. `registry` is what the rest
of Geosync uses, with its reads in `readings` and the site's pause and holds in `switches`.
"""
