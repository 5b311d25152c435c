"""GET geo/arrival, and `geosync wait` over it: a pipeline with a token that may look, and without an AWS account."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from click.testing import CliRunner, Result
from functions.admin import app
from tests.functional.admin.parts import READ, A, Ask, B, Calls, Site
from tests.functional.cli.conftest import PlayedClock

from geosync.cli import wait as wait_command
from geosync.cli.main import main
from geosync.cli.pace import LONGEST_S
from geosync.clock import SYSTEM_CLOCK
from geosync.pair.selection import EVERYTHING
from geosync.reading.arrival import LOOK_MS, UNHEARD_MS
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site import catalogue, subscription
from geosync.sync_registry.site.recovery import Recovery
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.transitions.marks import Mark

PATH = "/api/v4/geo/arrival"
URL = "https://admin.example.com/geo"


class ToTheHandler(requests.adapters.BaseAdapter):
    """Passes requests to the API's handler as API Gateway does; notes the sent tokens by host."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask
        self.down = False
        self.tokens: set[tuple[str, str]] = set()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        if self.down:
            raise requests.ConnectionError("refused")
        parts = urlsplit(str(request.url))
        token = str(request.headers["Authorization"]).removeprefix("Bearer ")
        self.tokens.add((str(parts.hostname), token))
        query = dict(parse_qsl(parts.query))
        answered = self._ask(str(request.method), parts.path.removeprefix("/geo"), token=token, query=query)
        answer = requests.Response()
        answer.status_code, answer.raw = answered.status, io.BytesIO(answered.text.encode())
        return answer

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> PlayedClock:
    """One clock for the pipeline's machine and the API."""
    played = PlayedClock()
    monkeypatch.setattr(wait_command, "SYSTEM_CLOCK", played)
    return played


@pytest.fixture
def way(site: Site, ask: Ask, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch) -> ToTheHandler:
    adapter, opened = ToTheHandler(ask), requests.Session

    def session() -> requests.Session:
        one = opened()
        one.mount("https://", adapter)
        return one

    monkeypatch.setattr("geosync.cli.admin_api.requests.Session", session)
    object.__setattr__(app.api()._site, "clock", clock)
    monkeypatch.setenv("GEOSYNC_ADMIN_URL", URL)
    monkeypatch.setenv("GEOSYNC_TOKEN", READ)
    monkeypatch.delenv("GEOSYNC_STACK", raising=False)
    return adapter


@pytest.fixture
def compared(site: Site) -> None:
    """A site whose first comparison is complete, and that hears from its primary."""
    now = SYSTEM_CLOCK.now_ms()
    times = dict.fromkeys(("started_at", "touched_at", "finished_at", "proved_at", "settled_at"), now - 120_000)
    site.sync_registry._store.write(Update(key=catalogue.KEY, set=times))
    site.sync_registry.heartbeat.record(site="dublin", sent_at=now, arrived_at=now)
    subscribed(site, gapless_from=now - 180_000)


def subscribed(site: Site, **values: int) -> None:
    """Have the site's subscription deliver what was pushed since a moment."""
    about = {"arn": "arn", "since": 1, "selection": EVERYTHING.fingerprint, **values}
    site.sync_registry._store.write(Update(key=subscription.KEY, set=about))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["wait", *arguments])


def arrives(site: Site, clock: PlayedClock, digest: str) -> None:
    """Have a holder see the owed tag as a digest."""
    lease = site.sync_registry.acquire("group/app")
    assert lease is not None
    for owed in site.sync_registry.due("group/app"):
        now = clock.now_ms()
        site.sync_registry.discharge(lease, owed, Seen(digest=digest, looked_at=now, seen_at=now))
    site.sync_registry.finish(lease)


def test_the_arrival_answer_has_what_is_known(site: Site, ask: Ask, compared: None) -> None:
    site.sync_registry.mark("group/app", Reference.tag("v1"), Mark(expects=A))
    answer = ask("GET", PATH, query={"repository": "group/app", "reference": "v1"})
    assert answer.status == 200, answer.text
    found = answer.json
    assert (found["site"], found["state"], found["announced"], found["digest"]) == ("berlin", "waiting", [A], None)
    assert "owed since" in found["reason"]
    site.failed("group/app", "v1", parked=True)
    found = ask("GET", PATH, query={"repository": "group/app", "reference": "v1"}).json
    assert (found["parked"], "parked, after it failed: registry:5000" in found["reason"]) == (True, True)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"repository": "Group/App"},
        {"repository": "group/app", "reference": "-v1"},
        {"repository": "group/app", "digest": "sha256:aa"},
        {"repository": "group/app", "since": "-1"},
        {"repository": "a" * 300},
    ],
)
def test_a_malformed_image_name_is_refused(site: Site, ask: Ask, query: dict[str, str]) -> None:
    assert ask("GET", PATH, query=query).status == 400


def test_a_primary_refuses_to_wait_for_an_image(primary: Site, ask: Ask) -> None:
    assert ask("GET", PATH, query={"repository": "group/app"}).status == 409


def test_a_question_costs_few_reads_and_writes_nothing(site: Site, ask: Ask, calls: Calls, compared: None) -> None:
    site.synced("group/app", v1=A)
    calls.made()
    ask("GET", PATH, query={"repository": "group/app", "reference": "v1", "digest": A})
    assert calls.made() == {"BatchGetItem": 2}


def test_it_ends_within_one_poll_of_the_look_that_saw_it(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None
) -> None:
    site.sync_registry.mark("group/app", Reference.tag("v1"), Mark(expects=A))
    clock.meanwhile = lambda: arrives(site, clock, A)
    ended = run("group/app:v1")
    assert (ended.exit_code, ended.output) == (0, f"group/app:v1 is at berlin: {A}\n")
    (pause_s,) = clock.slept
    assert pause_s <= LONGEST_S
    assert site.audit() == []  # to look is no action
    assert way.tokens == {("admin.example.com", READ)}


def test_a_later_digest_than_the_one_that_was_announced_is_said(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None
) -> None:
    site.sync_registry.mark("group/app", Reference.tag("v1"), Mark(expects=A))
    clock.meanwhile = lambda: arrives(site, clock, B)
    assert run("group/app:v1").output == f"group/app:v1 is at berlin: {B}, a later one than {A}\n"


def test_an_image_that_was_here_is_looked_at_once_for_all_waiters(
    site: Site, way: ToTheHandler, ask: Ask, clock: PlayedClock, compared: None
) -> None:
    site.synced("group/app", v1=A)
    clock.meanwhile = lambda: arrives(site, clock, A)
    assert run("group/app:v1").exit_code == 0
    assert len(clock.slept) == 1
    assert site.audit() == []
    (wake,) = site.messages("work")
    assert (wake["repository"], wake["reason"]) == ("group/app", "resync")
    # Whoever asks within a moment of that look waits, and causes none.
    ask("GET", PATH, query={"repository": "group/app", "reference": "v1"})
    assert not site.sync_registry.owed("group/app")
    clock.ahead_s += LOOK_MS / 1000
    for _ in range(3):
        found = ask("GET", PATH, query={"repository": "group/app", "reference": "v1"}).json
    assert len(site.sync_registry.owed("group/app")) == 1
    assert "owed since" in found["reason"]


def test_an_image_that_was_here_is_an_answer_once_a_heartbeat_sent_since_is_accounted(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None
) -> None:
    """Of a site that is paused: nobody looks at the primary there."""
    site.synced("group/app", v1=A)
    site.sync_registry.pause("storage is moved")
    assert run("group/app:v1", "--timeout", "4s").exit_code == 1
    clock.meanwhile = lambda: site.sync_registry.recovery.write(Recovery(sent_at=clock.now_ms(), at=clock.now_ms()))
    assert run("group/app:v1").exit_code == 0


def test_nothing_is_marked_while_a_registry_is_on_hold(
    site: Site, ask: Ask, clock: PlayedClock, compared: None
) -> None:
    site.synced("group/app", v1=A)
    object.__setattr__(app.api()._site, "clock", clock)
    clock.ahead_s += LOOK_MS / 1000
    query = {"repository": "group/app", "reference": "v1"}
    site.sync_registry.hold("registry:5000", reason="503", retry_after=3600)
    assert ask("GET", PATH, query=query).json["state"] == "waiting"
    assert not site.sync_registry.owed("group/app")
    assert site.messages("work") == []
    site.sync_registry.clear_hold("registry:5000")
    ask("GET", PATH, query=query)
    assert len(site.sync_registry.owed("group/app")) == 1


def test_a_wake_that_cannot_be_sent_fails_no_question(
    site: Site, ask: Ask, clock: PlayedClock, compared: None, caplog: pytest.LogCaptureFixture
) -> None:
    site.synced("group/app", v1=A)
    object.__setattr__(app.api()._site, "clock", clock)
    clock.ahead_s += LOOK_MS / 1000
    site.sqs.delete_queue(QueueUrl=site.queues["work"])
    assert ask("GET", PATH, query={"repository": "group/app", "reference": "v1"}).status == 200
    assert len(site.sync_registry.owed("group/app")) == 1
    assert "wakes_not_sent" in caplog.messages


@pytest.mark.parametrize("image", [f"group/app:v1@{A}", f"group/app@{A}"])
def test_a_digest_that_is_named_is_found_at_once(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None, image: str
) -> None:
    site.synced("group/app", v1=A, v2=B)
    assert (run(image).exit_code, clock.slept) == (0, [])


def test_a_digest_that_is_here_without_its_tag_is_not_the_tag(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None
) -> None:
    site.synced("group/app", prod=A)
    site.sync_registry.mark("group/app", Reference.digest(B), Mark(expects=B))
    arrives(site, clock, B)
    ended = run(f"group/app:prod@{B}", "--timeout", "4s")
    assert (ended.exit_code, "owed since" in ended.output) == (1, True)  # it is looked at once more
    assert run(f"group/app@{B}").exit_code == 0


def test_an_image_that_was_never_pushed_ends_with_what_to_check(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None
) -> None:
    ended = run("group/typo:v1")
    assert ended.exit_code == 1
    assert "group/typo:v1 is not at berlin: berlin has heard of no push of it" in ended.output
    assert "was it pushed there, is its name right?" in ended.output
    assert 0 < clock.ahead_s <= UNHEARD_MS / 1000 + LONGEST_S  # in that time an event comes that is on its way


@pytest.mark.parametrize("gap", ["gapless_from", "selected_from"])
def test_a_push_in_a_gap_that_no_comparison_has_joined_yet_may_still_be_found(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None, gap: str
) -> None:
    subscribed(site, **{gap: clock.now_ms()})
    ended = run("group/app:v1", "--timeout", "30s")
    assert (ended.exit_code, "after 30 s: no comparison is complete that began after the" in ended.output) == (1, True)


def test_a_site_that_hears_nothing_now_goes_on_waiting(site: Site, way: ToTheHandler, clock: PlayedClock) -> None:
    ended = run("group/app:v1", "--timeout", "30s")
    assert (ended.exit_code, "after 30 s" in ended.output) == (1, True)


def test_a_wait_that_is_over_names_the_reason(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None
) -> None:
    site.failed("group/app", "v1")
    ended = run("group/app:v1", "--timeout", "4s")
    assert ended.exit_code == 1
    assert "is not at berlin after 4 s: owed since" in ended.output
    assert "failing: registry:5000: GET /v2/: 500" in ended.output


def test_a_site_that_does_not_answer_is_asked_until_the_time_is_over(
    site: Site, way: ToTheHandler, clock: PlayedClock
) -> None:
    way.down = True
    ended = CliRunner().invoke(main, ["wait", "group/app", "--timeout", "6s"])
    assert ended.exit_code == 2
    assert "could not be asked in 6 s: the admin API does not answer: ConnectionError" in ended.output
    assert 0 < sum(clock.slept) <= 6
    assert len(clock.slept) < 6 / LONGEST_S  # and less and less


def test_all_sites_are_asked_each_with_a_token_of_its_own(
    site: Site, way: ToTheHandler, clock: PlayedClock, compared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [
        {"name": "dublin", "url": URL, "primary": True, "current": True},
        {"name": "berlin", "url": "https://berlin.example.com/geo", "primary": False, "current": False},
    ]
    monkeypatch.setattr("geosync.cli.awaited.other_sites", lambda _: known)
    site.synced("group/app", v1=A)
    refused = run(f"group/app:v1@{A}", "--all-sites")
    assert (refused.exit_code, "set GEOSYNC_TOKEN_BERLIN to a token of the site berlin" in refused.output) == (2, True)
    monkeypatch.setenv("GEOSYNC_TOKEN_BERLIN", READ)
    assert run(f"group/app:v1@{A}", "--all-sites").exit_code == 0
    assert run(f"group/app:v1@{A}", "--site", "berlin").exit_code == 0
    assert way.tokens == {("berlin.example.com", READ)}
    assert run("group/app:v1", "--site", "oregon").exit_code == 2


def test_a_primary_says_that_it_syncs_nothing(primary: Site, way: ToTheHandler) -> None:
    ended = run("group/app:v1")
    assert (ended.exit_code, "dublin is the primary" in ended.output) == (2, True)


def test_a_malformed_token_is_refused_and_never_shown(
    site: Site, way: ToTheHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOSYNC_TOKEN", "wrong-token")
    ended = run("group/app:v1")
    assert (ended.exit_code, "GEOSYNC_TOKEN" in ended.output, "wrong-token" in ended.output) == (2, True, False)
    monkeypatch.delenv("GEOSYNC_TOKEN")
    assert "set GEOSYNC_TOKEN to a token of the site" in run("group/app:v1").output


@pytest.mark.parametrize("url", ["http://admin.example.com/geo", "https://user@admin.example.com/", "admin"])
def test_a_token_is_sent_over_https_only(way: ToTheHandler, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("GEOSYNC_ADMIN_URL", url)
    assert run("group/app:v1").exit_code == 2
    assert way.tokens == set()
