"""The schema of the sync registry's table, in one place: what `create_table` takes.

The template declares the same (a test compares them), and the tests create their tables from this.
"""

from __future__ import annotations

from typing import Any

DUE_INDEX = "due"
REPOSITORY_DUE_INDEX = "repository-due"

SCHEMA: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": "repository", "AttributeType": "S"},
        {"AttributeName": "item", "AttributeType": "S"},
        {"AttributeName": "due_shard", "AttributeType": "S"},
        {"AttributeName": "due", "AttributeType": "N"},
    ],
    "KeySchema": [
        {"AttributeName": "repository", "KeyType": "HASH"},
        {"AttributeName": "item", "KeyType": "RANGE"},
    ],
    # The sweep: everything that is due at the site. Sparse, keys only, spread over 8 values of due_shard.
    "GlobalSecondaryIndexes": [
        {
            "IndexName": DUE_INDEX,
            "KeySchema": [
                {"AttributeName": "due_shard", "KeyType": "HASH"},
                {"AttributeName": "due", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    # What is due in one repository: read strongly consistent, which only a local index offers.
    "LocalSecondaryIndexes": [
        {
            "IndexName": REPOSITORY_DUE_INDEX,
            "KeySchema": [
                {"AttributeName": "repository", "KeyType": "HASH"},
                {"AttributeName": "due", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


def create(client: Any, name: str) -> None:
    """Create the table `name` with a DynamoDB client and wait until it is there."""
    client.create_table(TableName=name, **SCHEMA)
    client.get_waiter("table_exists").wait(TableName=name)
