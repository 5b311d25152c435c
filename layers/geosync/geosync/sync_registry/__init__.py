"""What is owed, who is on it and when to try again: the store protocol, and its table.

`items` the values, `changes` conditional writes as data, `protocol` and `leases` the pure transitions and decisions,
`store` DynamoDB and `memory` the same contract in memory, `tables` the table's schema, `registry` what the rest of
Geosync uses.
"""
