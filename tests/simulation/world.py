"""Three sites, the wires between them, and the minute that comes at each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import requests
from tests.simulation.calls import Caller, Calls
from tests.simulation.clock import EPOCH_MS
from tests.simulation.counts import Run, false_counts, is_counted
from tests.simulation.functions import Ended
from tests.simulation.installed import installed
from tests.simulation.ledger import Ledger
from tests.simulation.mapping import Bounds, EventSource
from tests.simulation.metrics import RULES as METRICS
from tests.simulation.metrics import Measured
from tests.simulation.minutes import Minutes
from tests.simulation.recording import Recorder
from tests.simulation.registry.wire import Wire
from tests.simulation.removals import RACE_S, TagRules
from tests.simulation.scheduler import Scheduler
from tests.simulation.selections import EVERYTHING
from tests.simulation.site import Commons, Site, token_of
from tests.simulation.stacks import Stack
from tests.simulation.watching import Watcher

from geosync.operating.sites import report_key
from geosync.sync_registry.sync_registry import SyncRegistry

API_TIMEOUT_S = 29.0
POST_TIMEOUT_S = 0.5
"""A registry waits so long for its notification to be answered."""


class Violation(AssertionError):
    """Raised where an invariant does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The parameters of the sites that a seed chooses."""

    comparison_s: int = 600
    verification_s: int = 1800
    deletes: str = "propagate"
    deletion_delay_s: int = 0
    breaker_share: int = 50
    breaker_tags: int = 100
    breaker_s: int = 120
    max_staleness_s: int = 300
    shared_copy_bytes: int = 0
    max_bandwidth: int = 0
    minutes_twice: float = 0.0
    """The share of the minutes that EventBridge starts twice, and of those that come late, until the faults end."""


class World:
    """One world. Make it, then `run` what is to happen in it."""

    def __init__(self, seed: int, rules: Rules, *, note: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rules = rules
        self.random = Random(seed)
        """Decides what the story does; the world's own chances are the scheduler's."""
        self.scheduler = Scheduler(Random(f"order {seed}"))
        self.calls = Calls(self.scheduler, self.scheduler.random)
        self.recorder = Recorder(self.note, self._fault)
        self.recorder.on_measure, self.recorder.on_line = self._measured, self._said
        self.on_measure: Callable[[Site, Measured], None] = lambda *_: None
        """Told of each metric that is judged."""
        self.place = Caller("world")
        self._note = note
        self.commons = Commons(self.scheduler, self.scheduler.random, self.calls, self.recorder)
        self.commons.session = self._session
        self.wire = Wire(self.scheduler, self.scheduler.random, self.calls)
        self.sites: dict[str, Site] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.stacks: dict[str, Stack] = {}
        self.minutes: dict[str, Minutes] = {}
        self.on_minute: Callable[[Site], None] = lambda _: None
        """Told of each minute that ended."""
        self.is_failing_over = False
        self.clocks_ms = 0
        """The most that two sites' clocks differed by: recovery points are true but for so much."""
        self.followed_s: dict[str, float] = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0}
        """When each site's role was changed last."""
        self._leader = "alpha"
        self._roles: dict[str, tuple[str, str | None]] = {}

    def note(self, text: str) -> None:
        """Tell a line of the story."""
        if self._note is not None:
            self._note(f"{self.scheduler.now_s:9.3f} {text}")

    def _fault(self, text: str) -> None:
        self.violated(f"a fault in the code: {text}")

    def violated(self, text: str) -> None:
        """End the world with a violation."""
        self.note(f"!! {text}")
        self.scheduler.fail(Violation(text))

    def _measured(self, site: str, name: str, value: float, point_ms: int | None) -> None:
        place = self.scheduler.current.place
        if not isinstance(place, Caller):
            return
        if not is_counted(name) and name not in METRICS:
            self.violated(f"{site}: nobody judges the metric {name}")
        place.tally.measured[name] = place.tally.measured.get(name, 0.0) + value
        if name in METRICS:
            tally = place.tally
            measured = Measured(name=name, value=value, began_s=place.began_s, point_ms=point_ms, said=tally.said)
            self.on_measure(self.sites[site], measured)

    def _said(self, keys: Mapping[str, Any]) -> None:
        place = self.scheduler.current.place
        if isinstance(place, Caller):
            place.tally.said = keys

    def _ended(self, site: Site, place: Caller, event: Any, ended: Ended) -> None:
        if ended.crashed is not None:
            return
        ledger = self.ledgers[site.name]
        is_following = ledger.is_following() and self.followed_s[site.name] < place.began_s
        run = Run(site=site, ledger=ledger, place=place, event=event, answer=ended.answer, is_following=is_following)
        for text in false_counts(run, place.name.partition("@")[0]):
            self.violated(text)

    def _did(self, what: str) -> None:
        place = self.scheduler.current.place
        if isinstance(place, Caller):
            place.tally.did[what] += 1

    @property
    def primary(self) -> Site:
        """The site that clients push to: the one whose promotion was completed last."""
        return self.sites[self._leader]

    def _primaries_of(self, site: Site) -> list[Site]:
        if self.is_failing_over or self.scheduler.now_s < max(self.followed_s.values()) + RACE_S:
            return [other for other in self.sites.values() if other is not site]
        return [self.primary]

    def follows(self, site: Site, primary: Site) -> bool:
        """A site is a secondary of `primary`, and its stack is not just being changed."""
        return (
            self.stacks[site.name].is_quiet
            and site.role == "secondary"
            and site.parameters["PRIMARY_TOPIC_ARN"] == primary.topic.arn
        )

    def is_settled(self, site: Site) -> bool:
        """A site follows the primary, and its minute has taken note of that."""
        following = site.table.partitions.get("#site", {}).get("catalogue", {}).get("following")
        return self.follows(site, self.primary) and following == self.primary.topic.arn

    def _updated(self, site: Site) -> None:
        self.scheduler.spawn(lambda: self._settle(site), "settle", self.place)
        role = (site.role, site.parameters.get("PRIMARY_TOPIC_ARN"))
        if self._roles.get(site.name) == role:
            return
        self._roles[site.name] = role
        self.followed_s[site.name] = self.scheduler.now_s
        self.ledgers[site.name].marked.clear()  # what it was told by its former primary counts no more
        if site.role == "primary":
            self._leader = site.name

    def _settle(self, site: Site) -> None:
        """Wait until nobody marks by the site's former parameters, and then until nobody works with them."""
        while not site.functions["log_cursor"].is_new:
            self.scheduler.sleep(1.0)
        if self.stacks[site.name].is_quiet:
            site.selections.settle_marks(self.scheduler.now_s)
        while not all(function.is_new for function in site.functions.values()):
            self.scheduler.sleep(1.0)
        if self.stacks[site.name].is_quiet:
            site.selections.settle(self.scheduler.now_s)

    def run(self, story: Callable[[], None]) -> None:
        """Make the sites and let `story` happen. Raises what it raises."""

        def main() -> None:
            self._build()
            story()

        with installed(self.scheduler, Random(f"names {self.seed}"), self.wire, self.recorder):
            self.scheduler.run(main, self.place)

    # ----------------------------------------------------------------------------------------------------- the sites

    def _build(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            role = "primary" if name == "alpha" else "secondary"
            self.sites[name] = Site(name, self.commons, {"SITE_ROLE": role, **self._parameters()})
        for site in self.sites.values():
            self.wire.add(site.server)
            site.notifier.post = self._poster(site)
            if site.role == "secondary":
                site.parameters |= self.following(self.sites["alpha"])
            self.stacks[site.name] = self._stack(site)
            for kind in site.functions:
                site.deploy(kind)
            self._roles[site.name] = (site.role, site.parameters.get("PRIMARY_TOPIC_ARN"))
            self._watch(site)
            self._start(site)
        self._expect_reports()

    def _stack(self, site: Site) -> Stack:
        return Stack(site, self.scheduler, self.scheduler.random, lambda: self._updated(site))

    def _expect_reports(self) -> None:
        """Have the first primary expect the other sites; who promotes and follows does it by itself."""
        alpha = self.sites["alpha"]
        for site in self.sites.values():
            if site is not alpha:
                key = report_key(token_of(f"{site.name}-report"))
                SyncRegistry(alpha.table).sites.add(name=site.name, url=site.admin_url, key=key, now_ms=EPOCH_MS)

    def _watch(self, site: Site) -> None:
        scheduler = self.scheduler
        ledger = self.ledgers[site.name] = Ledger(
            site, lambda: self.is_settled(site), lambda: scheduler.now_s, self.violated
        )
        ledger.watch()
        Watcher(site, scheduler, self.wire).watch()
        for function in site.functions.values():
            function.on_ended = partial(self._ended, site)
        rules = TagRules(site, lambda: self._primaries_of(site), lambda: scheduler.now_s, self.violated)
        site.server.storage.on_move.append(rules.judge)

    def _parameters(self) -> dict[str, str]:
        rules = self.rules
        return {
            "MAX_STALENESS": str(rules.max_staleness_s),
            "SHARED_COPY_BYTES": str(rules.shared_copy_bytes),
            "MAX_BANDWIDTH": str(rules.max_bandwidth),
            "COMPARISON_SECONDS": str(rules.comparison_s),
            "VERIFICATION_SECONDS": str(rules.verification_s),
            "DELETES": rules.deletes,
            "OUTSIDE_SELECTION": "keep",
            **EVERYTHING.parameters,
            "DELETION_DELAY": str(rules.deletion_delay_s),
            "BREAKER_SHARE": str(rules.breaker_share),
            "BREAKER_SECONDS": str(rules.breaker_s),
            "BREAKER_TAGS": str(rules.breaker_tags),
        }

    @staticmethod
    def following(primary: Site) -> dict[str, str]:
        """The parameters of a secondary that follows `primary`."""
        return {
            "PRIMARY_TOPIC_ARN": primary.topic.arn,
            "PRIMARY_REGISTRY_URL": f"https://{primary.server.host}",
            "PRIMARY_ADMIN_URL": primary.admin_url,
        }

    def _start(self, site: Site) -> None:
        scheduler, queues, functions = self.scheduler, site.queues, site.functions
        EventSource(queues["events"], functions["log_cursor"], Bounds(batch=10, concurrency=2), scheduler)
        EventSource(queues["live"], functions["sync"], Bounds(concurrency=2), scheduler)
        EventSource(queues["work"], functions["sync"], Bounds(concurrency=2), scheduler)
        minutes = self.minutes[site.name] = self._minutes(site)
        scheduler.spawn(minutes.run, f"minutes {site.name}", self.place, delay_s=scheduler.random.random() * 60)

    def _minutes(self, site: Site) -> Minutes:
        def start() -> None:
            site.functions["reconcile"].invoke({}, lambda ended: self._minute_ended(site, ended))

        share, lots = self.rules.minutes_twice, Random(f"minutes {site.name} {self.seed}")
        return Minutes(start, self.scheduler, self.place, lots, twice=share, late=share)

    def _minute_ended(self, site: Site, ended: Ended) -> None:
        if ended.crashed is not None or set(ended.answer.values()) != {"done"}:
            self.note(f"{site.name}: minute {ended.crashed or ended.answer}")
        self.on_minute(site)

    # ------------------------------------------------------------------------------------------------- HTTP to a site

    def _poster(self, site: Site) -> Callable[[str], bool]:
        def post(body: str) -> bool:
            ended = self.notify(site, body, POST_TIMEOUT_S)
            return ended is not None and ended.crashed is None and ended.answer["statusCode"] == 200

        return post

    def notify(self, site: Site, body: str, timeout_s: float, *, token: str | None = None) -> Ended | None:
        """Post to a site's notification endpoint, with its token or another one."""
        headers = {
            "Authorization": token or token_of(f"{site.name}-notification"),
            "Content-Type": "application/vnd.docker.distribution.events.v1+json",
        }
        event = {"headers": headers, "body": body, "requestContext": {"requestId": "request"}}
        return site.functions["notifications"].call(event, timeout_s, lambda ended: self._notified(site, body, ended))

    def _notified(self, site: Site, body: str, ended: Ended) -> None:
        if ended.crashed is None and ended.answer["statusCode"] == 200 and site.role == "primary":
            self.ledgers[site.name].take(body)

    def ask(self, site: Site, method: str, path: str, body: object, authorization: str) -> Ended | None:
        """Ask a site's admin API, as API Gateway does."""
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        event = {
            "httpMethod": method,
            "path": path,
            "resource": "/{proxy+}",
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "body": json.dumps(body) if body is not None else None,
            "isBase64Encoded": False,
            "requestContext": {"requestId": "request", "identity": {"sourceIp": "192.0.2.1"}, "stage": "live"},
        }
        return site.functions["admin"].call(event, API_TIMEOUT_S, lambda _: None)

    def pull(self, site: Site, path: str) -> Ended | None:
        """Pull at a site, as API Gateway does."""
        event: dict[str, Any] = {"httpMethod": "GET", "path": path, "headers": {}, "queryStringParameters": None}
        return site.functions["pull"].call(event, API_TIMEOUT_S, lambda _: None)

    def _session(self, _site: str) -> Any:
        """Replaces requests.Session: reaches the sites' own endpoints, and nothing else."""

        def post(url: str, *, headers: dict[str, str], timeout: float, **more: Any) -> Any:
            parts = urlsplit(url)
            kind, name, _ = parts.netloc.split(".")
            if kind == "notify":
                ended = self.notify(self.sites[name], _text(more["data"]), timeout)
            else:
                ended = self.ask(self.sites[name], "POST", parts.path, more["json"], headers["Authorization"])
            if ended is None or ended.crashed is not None:
                raise requests.ConnectionError(url)
            said = ended.answer
            if said["statusCode"] in (200, 202):
                self._did("heartbeat posted" if kind == "notify" else "report posted")
            return SimpleNamespace(status_code=said["statusCode"], content=str(said["body"]).encode(), headers={})

        return SimpleNamespace(post=post, trust_env=False)


def _text(body: bytes | str) -> str:
    return body.decode() if isinstance(body, bytes) else body
