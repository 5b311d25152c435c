"""What is owed, who is on it and when to try again: the store protocol, and its table.

`items` the values, `changes` conditional writes as data, `protocol` the pure transitions and `decisions` what a look
proves, `store` DynamoDB and `memory` the same contract in memory, `tables` the table's schema, `registry` what the rest
of Geosync uses, with its reads in `readings` and the site's pause and holds in `switches`.
"""
