"""The simulated world in place of the real one: time, threads, chance, the wire, the table, logs, metrics.

All of it is process-wide, so a process simulates one world at a time, and does nothing else meanwhile.
"""

from __future__ import annotations

import functools
import random
import secrets
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import click
from tests.simulation.clock import SimulatedClock
from tests.simulation.recording import Recorder
from tests.simulation.registry.wire import Wire, WireTransport
from tests.simulation.scheduler import Scheduler
from tests.simulation.threads import SimulatedThreads, short_lock

from geosync import observability
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.oci import requests as oci_requests
from geosync.reading import own_registry
from geosync.sync_registry import sync_registry
from geosync.threads import SYSTEM_THREADS, Threads


@contextmanager
def installed(scheduler: Scheduler, names: Random, wire: Wire, recorder: Recorder) -> Iterator[None]:
    """Replace the real parts by the world's; `names` decides every random name."""

    def make_uuid() -> uuid.UUID:
        return uuid.UUID(int=names.getrandbits(128), version=4)

    def gauge(metrics: Any, values: Mapping[str, float], _unit: str = "Count") -> None:
        recorder.measure(metrics._site, values)

    SimulatedClock.scheduler = scheduler
    SimulatedThreads.scheduler = scheduler
    WireTransport.wire = wire
    random.seed(names.getrandbits(64))
    SYSTEM_CLOCK.__class__ = SimulatedClock
    SYSTEM_THREADS.__class__ = SimulatedThreads
    try:
        with (
            patch.object(uuid, "uuid4", make_uuid),
            patch.object(threading, "Lock", short_lock),
            patch.object(secrets, "token_hex", lambda size: names.randbytes(size).hex()),
            patch.object(oci_requests, "Transport", WireTransport),
            patch.object(own_registry, "Transport", WireTransport),
            patch.object(sync_registry, "DynamoStore", lambda client, _table, **_: client.store()),
            patch.object(click, "echo", lambda text="", **_: recorder.note(f"says: {text}")),
            patch.object(functools.cached_property, "__get__", _without_lock),
            patch.object(observability, "logger", lambda: None),
            patch.object(observability.Metrics, "gauge", gauge),
        ):
            yield
    finally:
        SYSTEM_CLOCK.__class__ = Clock
        SYSTEM_THREADS.__class__ = Threads


def _without_lock(prop: Any, instance: Any, owner: Any = None) -> Any:
    """`cached_property.__get__` as it is from Python 3.12 on.

    Before, it held a lock for all instances of a class: those of other execution environments, too, which Lambda has in
    processes of their own. Whoever waits for such a lock does not give the baton away.
    """
    if instance is None:
        return prop
    if prop.attrname not in instance.__dict__:
        instance.__dict__[prop.attrname] = prop.func(instance)
    return instance.__dict__[prop.attrname]
