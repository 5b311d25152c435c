"""Conditional writes as data, and the tables that carry them out: DynamoDB, and the same contract in memory."""
