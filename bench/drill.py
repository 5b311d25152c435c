"""The time of a drill on the demo's data, and the lag of pushes meanwhile, on the local stack.

    python -m bench.drill [--state .local] [--pushes 20] [--write bench/README.md]

The stack has to be up (`make up`). First the images of `make demo` are pushed, as it pushes them. Then pushes are
timed, one at a time, without a drill and with drills one after the other at oregon. The status is 1 when a drill took
longer than its target, or something that is not true was found.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.demo.__main__ import show
from local.demo.images import MIB
from local.demo.looks import SiteLooks
from local.stack import Places, Stack, running_or_say
from local.wiring import STORES_ON_S3

from bench import on_stack, readme
from bench.deployed import Bench, NotSynced

COMMAND = [sys.executable, "-c", "from geosync.cli.entry import main; main()"]
"""`geosync`, as somebody types it: its start is part of the time."""
MOST_DRILL_S = 120.0
DEMO_LAYER_MIB = 100
"""In each of the three layers of the demo's large image, as `make demo` has it."""
DEMO_S = 300.0
HEADINGS = ("what", "median", "max", "of", "at most")


class NoDrill(RuntimeError):
    """A drill was not carried out."""


@dataclass(slots=True)
class Drills:
    """Drills at one site, one after the other, in a thread of their own."""

    state: Path
    site: Mapping[str, Any]
    secret: str
    took_s: list[float] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    failed: str | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def one(self) -> None:
        """Carry out a drill. Raises NoDrill."""
        site = ["--local-state", str(self.state), "--local", self.site["name"]]
        line = [*COMMAND, *site, "drill", "--push-secret", self.secret, "-o", "json"]
        began_s = time.perf_counter()
        ended = subprocess.run(line, capture_output=True, text=True, check=False)
        took_s = time.perf_counter() - began_s
        if not ended.stdout:
            raise NoDrill(ended.stderr)
        self.reports.append(json.loads(ended.stdout))
        self.took_s.append(took_s)

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Drill until the block has ended; the last one is waited for."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self.one()
        except NoDrill as error:
            self.failed = str(error)


@contextmanager
def secret_to_push(stack: Stack, site: Mapping[str, Any]) -> Iterator[str]:
    """Make the secret of a client of the primary's registry, in the site's region."""
    primary = next(one for one in stack.description["sites"] if one["role"] == "primary")
    client = stack.emulator.client("secretsmanager", site["region"])
    account = {"type": "basic", "username": primary["username"], "password": primary["password"]}
    name = f"bench-drill-{uuid.uuid4().hex[:8]}"
    client.create_secret(Name=name, SecretString=json.dumps(account))
    try:
        yield name
    finally:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def lags(bench: Bench, pushes: int, site: str) -> list[float]:
    """Return the seconds from the end of a push until it was synced at a site, one push at a time."""
    (times,) = (one for one in bench.measure(pushes, wait=True) if one.site == site)
    return [moment - one.at for one, moment in times.synced.items()]


def run(state: Path, stack: Stack, pushes: int) -> tuple[Drills, list[float], list[float]]:
    """Measure; the drills, and the lags without and with them. Raises NoDrill, NotSynced."""
    site = stack.site(STORES_ON_S3)
    others = [one for one in stack.description["sites"] if one["role"] == "secondary"]
    with ExitStack() as closed:
        looks = [closed.enter_context(closing(SiteLooks(stack.emulator, one))) for one in others]
        drills = Drills(state, site, closed.enter_context(secret_to_push(stack, site)))
        bench = Bench(stack, looks)
        bench.measure(2, wait=True)
        drills.one()
        alone = lags(bench, pushes, site["name"])
        with drills.meanwhile():
            during = lags(bench, pushes, site["name"])
    if drills.failed is not None:
        raise NoDrill(drills.failed)
    return drills, alone, during


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed or the stack is not up."""
    parser = on_stack.options("drill", __doc__)
    parser.add_argument("--pushes", type=int, default=20, help="without, and with drills (default: 20, at least 2)")
    options = parser.parse_args(arguments)
    state = options.state.resolve()
    stack = running_or_say(state)
    if stack is None:
        return 1
    if show(stack, Places(state).work, within=DEMO_S, large_layer=DEMO_LAYER_MIB * MIB):
        return 1
    try:
        drills, alone, during = run(state, stack, options.pushes)
    except (NoDrill, NotSynced) as error:
        print(error, file=sys.stderr)
        return 1
    rows = [
        _row("a drill at oregon", drills.took_s, f"{MOST_DRILL_S:.0f} s"),
        _row("a push until it is synced at oregon", alone, ""),
        _row("the same, while drills go on there", during, ""),
    ]
    last = drills.reports[-1]
    about = (
        f"The last drill compared {last['truth']['tags']} tags, and pulled {last['sample']['pulled']} images with "
        f"{last['sample']['read_bytes'] / MIB:.0f} MiB; its verdict was {last['verdict']}."
    )
    lines = [f"{readme.machine()}:", "", *readme.table(HEADINGS, rows), "", about]
    print("\n".join(lines))
    if options.write is not None:
        readme.replace(options.write, "drill", lines)
    false = [one for report in drills.reports for one in (*report["truth"]["unnamed"], *report["sample"]["bad"])]
    print("\n".join(map(str, false)), file=sys.stderr) if false else None
    return 1 if false or max(drills.took_s) > MOST_DRILL_S else 0


def _row(name: str, took_s: Sequence[float], most: str) -> list[str]:
    return [name, f"{statistics.median(took_s):.2f} s", f"{max(took_s):.2f} s", str(len(took_s)), most]


if __name__ == "__main__":
    sys.exit(main())
