"""The status of a site that owes very much: how many of its requests wait for one another.

    python -m bench.status [--quick] [--write bench/README.md]

The table is moto's, in this process. Each request takes a second of a clock that is simulated, so that no number here
depends on the machine (`tests/support/rounds.py`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from tests.support.clock import FakeClock
from tests.support.filled import backlog, fill
from tests.support.rounds import Counted, Rounds

from bench import readme
from geosync.operating import status
from geosync.sync_registry.site.history import Observed
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.dynamodb import DynamoStore

OWED = 50_000
MOST_ROUNDS = 5
TABLE = "geosync-bench"
HEADINGS = ("owed", "requests", "one after the other", "at most")
_AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def of_backlog(owed: int) -> Counted:
    """Read the status of a site that owes so many references."""
    clock = FakeClock()
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        client = boto3.client("dynamodb", region_name="eu-west-1")
        tables.create(client, TABLE)
        fill(client, TABLE, backlog(clock, owed))
        rounds = Rounds(client, patch)
        sync_registry = SyncRegistry(DynamoStore(client, TABLE, clock=clock), clock=clock, threads=rounds.threads)
        sync_registry.history.record(Observed(), now_ms=clock.now_ms())
        return rounds.of(lambda: status.read(sync_registry, clock=clock))


def main(given: Sequence[str] | None = None) -> int:
    """Count, print, and write the table if asked to; 1 when too many wait for one another."""
    parser = argparse.ArgumentParser(prog="python -m bench.status", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="10,000 owed")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    os.environ.update(_AWS)
    owed = 10_000 if arguments.quick else OWED
    counted = of_backlog(owed)
    cells = (f"{owed:,}", f"{counted.requests.total()}", f"{counted.rounds}", f"{MOST_ROUNDS}")
    losses = [f"{counted.rounds} requests one after the other"] if counted.rounds > MOST_ROUNDS else []
    readme.tell("status", readme.table(HEADINGS, [cells]), losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
