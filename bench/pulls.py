"""The time of a manifest's GET through functions/pull beside the registry's own, on the local stack.

    python -m bench.pulls [--state .local] [--pulls 200] [--pushes 100] [--allowed 100] [--write bench/README.md]

The stack has to be up (`make up`). First one image is pulled again and again, through the site and from its registry in
turns, over a new connection each time, and the site refuses a push in between. Then a tag is pushed anew, and pulled
100 ms later: right is the digest that was pushed, and nothing else. Both is done at a site that allows the template's
five minutes (MaxStaleness), and at one that allows none. The status is 1 when the latter was not right once, or took
longer than its target in the median.
"""

from __future__ import annotations

import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from local.stack import Stack, running_or_say
from local.wiring import READS_STRICTLY, STORES_ON_S3

from bench import on_stack, readme
from bench.images import image, push
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Basic
from geosync.oci.deadline import Deadline

TAG = "v1"
LAYERS = [1000]
SOON_S = 0.1
MOST_ADDED_MS = 30.0
MOST_SOON_MS = 2000.0
PROGRESS = 100
"""Pulls after which a line says how far it is: a thousand take half an hour."""
ACCEPT = "application/vnd.oci.image.manifest.v1+json"
HEADINGS = ("pull", "median", "p95", "of", "right", "at most")


class Pulls:
    """Pulls at one secondary of a stack, with a pusher at its primary."""

    def __init__(self, stack: Stack, site: str) -> None:
        primary: Any = next(site for site in stack.description["sites"] if site["role"] == "primary")
        account = Basic(username=primary["username"], password=primary["password"], realm_hosts=("127.0.0.1",))
        self._pusher = RegistryClient(primary["registry"], account, deadline=Deadline(), writes=True)
        self._site = stack.site(site)
        self._repository = f"bench/pulls/{uuid.uuid4().hex[:10]}"

    def push(self) -> str:
        """Push a fresh image; its digest."""
        made = image(LAYERS)
        push(self._pusher, self._repository, made, TAG)
        return made.root.digest

    def refused(self) -> float:
        """Push to the site, which refuses it; the milliseconds."""
        began = time.perf_counter()
        requests.put(f"{self._site['pull_url']}/v2/{self._repository}/manifests/{TAG}", timeout=60)
        return (time.perf_counter() - began) * 1000

    def pull(self, front: str) -> tuple[float, str | None]:
        """Pull from `registry` or `pull_url`; the milliseconds, and the digest where it was served."""
        began = time.perf_counter()
        url = f"{self._site[front]}/v2/{self._repository}/manifests/{TAG}"
        answer = requests.get(url, headers={"Accept": ACCEPT}, timeout=60)
        took_ms = (time.perf_counter() - began) * 1000
        return took_ms, answer.headers.get("Docker-Content-Digest") if answer.status_code == 200 else None


def warm(pulls: Pulls, times: int) -> tuple[list[list[str]], float]:
    """Pull what is there, in turns; rows for site, registry and refusals, and the medians' difference in ms."""
    digest = pulls.push()
    pulls.pull("pull_url")
    taken: dict[str, list[float]] = {"pull_url": [], "registry": []}
    right = dict.fromkeys(taken, 0)
    refusals = []
    for _ in range(times):
        refusals.append(pulls.refused())
        for front, took in taken.items():
            took_ms, served = pulls.pull(front)
            took.append(took_ms)
            right[front] += served == digest
    added = statistics.median(taken["pull_url"]) - statistics.median(taken["registry"])
    rows = [
        _row(name, taken[front], right[front])
        for name, front in (("at the site, warm", "pull_url"), ("at its registry", "registry"))
    ]
    return [*rows, _row("refused at the site", refusals, len(refusals))], added


def unchanged(pulls: Pulls, times: int) -> list[str]:
    """Pull what is there at a site that looks at the primary each time; a row."""
    digest = pulls.push()
    pulls.pull("pull_url")
    answers = [pulls.pull("pull_url") for _ in range(times)]
    right = sum(served == digest for _, served in answers)
    return _row("unchanged, `MaxStaleness=0`", [took_ms for took_ms, _ in answers], right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soon:
    """Pulls of a tag that was pushed 100 ms before: a row, how many got an older digest, and how many got none."""

    row: list[str]
    old: int
    late: int
    median_ms: float


def fresh(pulls: Pulls, times: int, name: str) -> Soon:
    """Pull what was pushed 100 ms ago, so many times."""
    took, old, late = [], 0, 0
    for number in range(times):
        if number and number % PROGRESS == 0:
            print(f"… {number} of {times} pulled {name}: {old} old, {late} late", flush=True)
        digest = pulls.push()
        time.sleep(SOON_S)
        took_ms, served = pulls.pull("pull_url")
        took.append(took_ms)
        late += served is None
        old += served not in (None, digest)
    row = _row(name, took, times - old - late)
    return Soon(row=row, old=old, late=late, median_ms=statistics.median(took))


def _row(name: str, took: list[float], right: int) -> list[str]:
    p95 = statistics.quantiles(took, n=20)[-1]
    return [name, f"{statistics.median(took):.0f} ms", f"{p95:.0f} ms", str(len(took)), str(right), ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a pull was not right or the stack is not up."""
    parser = on_stack.options("pulls", __doc__)
    parser.add_argument("--pulls", type=int, default=200, help="of what is there (default: 200, at least 2)")
    parser.add_argument("--pushes", type=int, default=100, help="each pulled 100 ms later (default: 100, at least 2)")
    parser.add_argument("--allowed", type=int, help="as many where five minutes are allowed (default: as --pushes)")
    options = parser.parse_args(arguments)
    stack = running_or_say(options.state.resolve())
    if stack is None:
        return 1
    allows, strict = Pulls(stack, STORES_ON_S3), Pulls(stack, READS_STRICTLY)
    rows, added = warm(allows, options.pulls)
    rows[0][-1] = f"+ {MOST_ADDED_MS:.0f} ms (it is {added:+.0f})"
    rows.append(unchanged(strict, options.pulls))
    soon = fresh(strict, options.pushes, "pushed 100 ms ago, `MaxStaleness=0`")
    soon.row[-1] = f"{MOST_SOON_MS:.0f} ms, each right"
    later = fresh(allows, options.allowed or options.pushes, "pushed 100 ms ago, `MaxStaleness=300`")
    counted = [
        f"With `MaxStaleness={seconds}`, of those pushed 100 ms ago {one.old} were an older digest, and {one.late} "
        "were not there when the wait was over."
        for seconds, one in (("0", soon), ("300", later))
    ]
    lines = [f"{readme.machine()}:", "", *readme.table(HEADINGS, [*rows, soon.row, later.row]), "", *counted]
    print("\n".join(lines))
    if options.write is not None:
        readme.replace(options.write, "pulls", lines)
    return 1 if soon.old or soon.late or soon.median_ms > MOST_SOON_MS else 0


if __name__ == "__main__":
    sys.exit(main())
