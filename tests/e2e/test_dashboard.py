"""The dashboard in a browser, on the deployed stack: what an operator does with it, from signing in to signing out.

With GEOSYNC_KEEP_SCREENSHOTS=1 a screenshot of every step and page is kept in `.local/screenshots`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from local.stack import Places
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from tests.e2e.browser import PHONE, Dashboard
from tests.e2e.parts import Site, envelope, eventually, hurried, push_event
from tests.e2e.registries import digest, maker

PAGES = ("Geo sites", "Replication details", "Missing and extra", "Dead letters", "Geo events", "Audit log")
HOSTILE = '"><img src=x onerror=alert(1)><script>'
CAUSE = "gave no answer that can be used"
"""docker-registry 2.8 breaks off its answer where a blob's file is missing."""


@pytest.fixture(scope="module", autouse=True)
def _a_repository(primary: Site, secondaries: list[Site]) -> None:
    """Have a repository to show, whichever test runs first."""
    repository = f"e2e/dashboard/{uuid.uuid4().hex[:10]}"
    with maker(primary) as make:
        make.image(repository, "v1", layers=1)

    def is_synced() -> bool:
        rows = [site.item(repository, "row") or {} for site in secondaries]
        return all(row.get("state") == "2" for row in rows)

    eventually(is_synced, what=f"{repository} to be synced")


def test_an_operator_pauses_finds_what_failed_and_why_and_resyncs_it(
    state: Path, primary: Site, dashboard: Dashboard
) -> None:
    site, repository = dashboard.site, f"e2e/dashboard/{uuid.uuid4().hex[:10]}"
    dashboard.find("#token").send_keys("not a token" + Keys.ENTER)
    dashboard.shows("this is no token of this site")
    dashboard.keep_screenshot("operator-1-wrong-token")
    dashboard.sign_in("act")
    shown = dashboard.shows("Recovery point", "Synced", "Verified", site.name)
    assert shown.index("Recovery point") < shown.index("Synced")
    dashboard.keep_screenshot("operator-2-geo-sites")

    dashboard.press("Pause")
    dashboard.find("dialog input").send_keys("the layer is moved")
    dashboard.press("Pause", "dialog button")
    dashboard.shows("Paused", "the layer is moved", "is paused; what is being copied now is finished")
    dashboard.keep_screenshot("operator-3-paused")
    with maker(primary) as make, maker(site) as read:
        made = make.image(repository, "v1", layers=1)
        eventually(lambda: site.item(repository, "owed#t#v1") or site.item(repository, "row"), what="the event")
        with _missing(_file(state, primary, made.blobs[0])):
            dashboard.press("Resume")
            dashboard.shows("goes on")
            dashboard.go("Replication details")
            Select(dashboard.find("select[name=state]")).select_by_visible_text("Failed")
            dashboard.find("input[name=search]").send_keys(repository + Keys.ENTER)
            dashboard.shows(repository, "✕ Failed", CAUSE, meanwhile=_a_minute_of(site))
            assert dashboard.rows() == [repository]
            dashboard.keep_screenshot("operator-4-failed")
        dashboard.press(repository, "tbody th a")
        dashboard.shows(repository, "Owed", "Tags on both sides", CAUSE)
        dashboard.find(".card details.cause summary").click()
        dashboard.shows("see that the registry runs and can be reached", made.blobs[0])
        dashboard.keep_screenshot("operator-5-the-repository")
        dashboard.press(f"Resync {repository}")
        dashboard.shows(f"Registry entry of {repository} enqueued to be resynced", within="[role=status]")
        dashboard.shows(
            "✓ Synced", "the same", f"sha256:{made.digest.partition(':')[2][:10]}…", meanwhile=_a_minute_of(site)
        )
        assert digest(read, repository, "v1") == made.digest
    dashboard.keep_screenshot("operator-6-synced")

    dashboard.press("Sign out")
    dashboard.find("#token")
    assert _status(dashboard, "api/v4/session") == 401
    assert dashboard.driver.get_cookies() == []


def test_the_read_token_looks_and_says_why_it_cannot_act(dashboard: Dashboard) -> None:
    dashboard.sign_in("read")
    dashboard.go("Replication details")
    why = "You signed in with the read token, which may only look: sign in with the act token to act"
    dashboard.shows(why)
    button = dashboard.find("button", "Bulk actions")
    assert (button.get_attribute("aria-disabled"), button.get_attribute("title")) == ("true", why)
    before = _posts(dashboard)
    dashboard.press("Bulk actions")
    dashboard.shows(why, within="[role=status]")
    assert dashboard.all(".menu .items") == []
    dashboard.go("Geo sites")
    dashboard.press("Pause")
    dashboard.shows(why, within="[role=status]")
    assert _posts(dashboard) == before


def test_hostile_names_and_texts_are_text(primary: Site, dashboard: Dashboard, at_the_primary: Dashboard) -> None:
    assert primary.notify(envelope(push_event(f"{HOSTILE}/app", "v1", f"sha256:{'0' * 64}")), primary.token())[0] == 200
    at_the_primary.sign_in()
    at_the_primary.go("Geo events")
    at_the_primary.shows("Unusable")
    _nothing_came_alive(at_the_primary)

    site = dashboard.site
    dashboard.open()
    dashboard.sign_in()
    with _row(site, HOSTILE), _dead_letter(site, HOSTILE):
        dashboard.go("Missing and extra")
        dashboard.shows(HOSTILE, "Missing at the primary")
        _nothing_came_alive(dashboard)
        dashboard.go("Replication details")
        dashboard.find("input[name=search]").send_keys(HOSTILE[:5] + Keys.ENTER)
        dashboard.shows(HOSTILE, f"failed: {HOSTILE}")
        _nothing_came_alive(dashboard)
        dashboard.keep_screenshot("hostile-row")
        dashboard.press(HOSTILE, "tbody th a")
        dashboard.shows(HOSTILE, f"failed: {HOSTILE}", "Tags on both sides")
        _nothing_came_alive(dashboard)
        dashboard.go("Dead letters")
        dashboard.shows(HOSTILE, meanwhile=_looking_again(dashboard))
        dashboard.press("Show", "summary")
        assert HOSTILE in dashboard.shows(HOSTILE, within="pre")
        _nothing_came_alive(dashboard)
        dashboard.keep_screenshot("hostile-dead-letter")
        dashboard.press(f"Discard {HOSTILE}")
        dashboard.find("dialog input").send_keys(HOSTILE)
        dashboard.press("Discard", "dialog button")
        dashboard.shows("1 discarded", within="[role=status]")
    dashboard.go("Audit log")
    dashboard.shows("What operators did", "Discard dead letter", HOSTILE)
    _nothing_came_alive(dashboard)


def test_several_dead_letters_are_given_up_together_by_keyboard(dashboard: Dashboard) -> None:
    words = [f"poison {number} {uuid.uuid4().hex}" for number in range(2)]
    dashboard.sign_in()
    with _dead_letter(dashboard.site, words[0]), _dead_letter(dashboard.site, words[1]):
        dashboard.go("Dead letters")
        dashboard.shows(*words, meanwhile=_looking_again(dashboard))
        dashboard.press("Bulk actions")
        dashboard.press("Discard selected")
        dashboard.shows("Select messages first", within="[role=status]")
        shown = "\n".join(dashboard.rows())
        for word in sorted(words, key=shown.index):
            dashboard.tab_to(f"Select {word}")
            dashboard.type(Keys.SPACE)
        dashboard.shows("2 of ", " selected", within=".selection")
        dashboard.is_readable("dead-letters-selected")
        dashboard.find("button", "Bulk actions").send_keys(Keys.ENTER)
        dashboard.tab_to("Discard selected", most=3)
        dashboard.type(Keys.ENTER)
        dashboard.find("dialog", "")
        dashboard.type([*"made together", Keys.ENTER])
        dashboard.shows("2 discarded", within="[role=status]")
    dashboard.go("Audit log")
    dashboard.shows("What operators did", "Discard 2 dead letters: made together")
    assert '"reason":"made together"' not in dashboard.text()
    for request in dashboard.all("tbody tr summary")[:3]:  # of each message, and of both together
        request.click()
    dashboard.shows('"reason":"made together"')


def test_every_page_can_be_read_by_everybody(primary: Site, dashboard: Dashboard) -> None:
    """On a phone, in the dark; wide and in the light: tests/functional/admin/test_dashboard_states.py."""
    repository = f"e2e/dashboard/{uuid.uuid4().hex[:10]}"
    with maker(primary) as make:
        make.image(repository, "v1", layers=1)
    eventually(lambda: dashboard.site.item(repository, "tag#v1"), what="the tag")
    dashboard.open(size=PHONE, scheme="dark")
    dashboard.is_readable("phone-sign-in")
    dashboard.sign_in("read")
    with _dead_letter(dashboard.site, "poison of a test"):
        for page in PAGES:
            dashboard.go(page)
            if page == "Dead letters":
                dashboard.shows("poison of a test", meanwhile=_looking_again(dashboard))
            dashboard.is_readable(f"phone-{page.lower().replace(' ', '-')}")
        dashboard.go("Replication details")
        dashboard.find("input[name=search]").send_keys(repository + Keys.ENTER)
        dashboard.press(repository, "tbody th a")
        dashboard.shows("Tags on both sides", "Tags, by name")
        dashboard.is_readable("phone-repository")


def test_the_primary_shows_every_site(at_the_primary: Dashboard, primary: Site, secondaries: list[Site]) -> None:
    with maker(primary) as registry:
        registry.image(name := f"e2e/dashboard/{uuid.uuid4().hex[:10]}", "v1", layers=1)
    for site in secondaries:
        site.invoke("reconcile")  # which reports
    at_the_primary.sign_in("read")
    at_the_primary.shows(*(site.name for site in secondaries), "Recovery point", "Last geo event")
    at_the_primary.is_readable("primary-geo-sites")
    at_the_primary.go("Geo events")
    at_the_primary.is_readable("primary-geo-events")
    at_the_primary.shows(name)
    for asked, shown in (
        (name, name),
        ("e2e/nobody", "No event of e2e/nobody among the"),
        (HOSTILE, "cannot be the name of a container repository"),
    ):
        field = at_the_primary.find("input[name=repository]")
        field.clear()
        field.send_keys(asked + Keys.ENTER)
        at_the_primary.shows(shown)
        eventually(lambda: set(at_the_primary.rows()) == ({name} if asked == name else set()), what=shown)  # noqa: B023
    assert at_the_primary.find("input[name=repository]").get_attribute("aria-invalid") == "true"
    at_the_primary.is_readable("primary-geo-events-refused")
    assert all("400" in one for one in at_the_primary.complaints())
    at_the_primary.press("Replication details", "header nav a")
    at_the_primary.shows("What each site has, as it reported it")


def test_all_of_it_goes_by_keyboard(dashboard: Dashboard) -> None:
    dashboard.type(dashboard.site.about["admin_act_token"])  # the field has the focus
    dashboard.type(Keys.ENTER)
    dashboard.heading("Geo sites")
    dashboard.tab_to("Skip to the content", most=1)
    dashboard.type(Keys.ENTER)
    assert dashboard.driver.switch_to.active_element.get_attribute("id") == "main"
    dashboard.tab_to("Pause")
    _run(dashboard, "document.querySelector('.skip').focus()")
    dashboard.tab_to("Replication details")
    dashboard.type(Keys.ENTER)
    dashboard.heading("Replication details")
    assert dashboard.driver.switch_to.active_element.text == "Replication details"
    dashboard.tab_to("Replication")
    dashboard.type("F")  # Failed, in the list of states
    eventually(lambda: "state=failed" in dashboard.driver.current_url, what="the filter")
    for answer in (Keys.ESCAPE, Keys.ENTER):
        dashboard.tab_to("Bulk actions")
        dashboard.type(Keys.ENTER)
        dashboard.tab_to("Resync all failed", most=1)
        dashboard.type(Keys.ENTER)
        dashboard.find("dialog", "")
        assert dashboard.driver.switch_to.active_element.text == "Resync all failed"
        dashboard.type(answer)
        eventually(lambda: not dashboard.all("dialog[open]"), what="the question to be gone")
        assert dashboard.driver.switch_to.active_element.accessible_name == "Bulk actions"
        _run(dashboard, "document.querySelector('input[name=search]').focus()")
    dashboard.shows("failed references enqueued to be resynced", within="[role=status]")


# ──────────────────────────────────────────────────── what they need ────────────────────────────────────────────


def _looking_again(dashboard: Dashboard) -> Any:
    """A call that looks again, but not often: a message that is read is out of the queue for that time."""

    def run() -> None:
        time.sleep(1.5)
        dashboard.press("Look again")

    return run


def _a_minute_of(site: Site) -> Any:
    """A look that runs what the schedule does every minute."""

    return hurried([site], bool)


def _file(state: Path, site: Site, blob: str) -> Path:
    """Where a registry on the file system keeps a blob."""
    place = next(one for one in Places(state).inventory.read() if one.name == f"registry {site.name}")
    algorithm, _, hexadecimal = blob.partition(":")
    return Path(place.folder, "data/docker/registry/v2/blobs", algorithm, hexadecimal[:2], hexadecimal, "data")


@contextmanager
def _missing(file: Path) -> Iterator[None]:
    """Move a file away for the length of a block."""
    away = file.rename(file.with_name("away"))
    try:
        yield
    finally:
        away.rename(file)


@contextmanager
def _row(site: Site, name: str) -> Iterator[None]:
    """Write a failed row of this name, which no notification would cause."""
    client = site.client("dynamodb")
    number = {"N": "999999999"}
    like = next(item for item in client.scan(TableName=site.about["table"])["Items"] if item["item"]["S"] == "row")
    items: list[dict[str, Any]] = [
        {
            **like,
            "repository": {"S": name},
            "id": number,
            "state": {"S": "3"},
            "last_sync_failure": {"S": f"failed: {name}"},
        },
        {"repository": {"S": "#rows"}, "item": {"S": f"name#{name}"}, "id": number},
        {"repository": {"S": "#rows"}, "item": {"S": f"id#{number['N']}"}, "name": {"S": name}},
        {
            **{"repository": {"S": "#findings"}, "item": {"S": f"name#{name}"}, "found_at": {"N": "1"}},
            **{count: {"N": "1"} for count in ("of", "missing", "extra")},
            **{names: {"L": [{"S": name}]} for names in ("missing_names", "extra_names")},
        },
    ]
    for item in items:
        client.put_item(TableName=site.about["table"], Item=item)
    try:
        yield
    finally:
        for item in items:
            client.delete_item(
                TableName=site.about["table"],
                Key={key: value for key, value in item.items() if key in ("repository", "item")},
            )


@contextmanager
def _dead_letter(site: Site, body: str) -> Iterator[None]:
    """Have a message in the DLQ for the length of a block."""
    sqs, queue, before = site.client("sqs"), site.about["dlq_url"], site.messages("dlq_url")
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body)["MessageId"]

    def is_gone() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1).get("Messages", []):
            if message["MessageId"] == sent:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return site.messages("dlq_url") <= before

    try:
        yield
    finally:
        eventually(is_gone, what="the message to be gone")


def _nothing_came_alive(dashboard: Dashboard) -> None:
    assert dashboard.driver.title.endswith("Geosync")
    assert dashboard.all("main img, main script, main [onerror]") == []


def _status(dashboard: Dashboard, path: str) -> int:
    script = "fetch(arguments[0]).then((answer) => arguments[1](answer.status))"
    return int(dashboard.driver.execute_async_script(script, path))


def _run(dashboard: Dashboard, script: str) -> Any:
    return dashboard.driver.execute_script(script)


def _posts(dashboard: Dashboard) -> int:
    """How many actions the site's audit log knows, done and refused."""
    script = "fetch('api/v4/geo/audit_events?per_page=100').then((a) => a.json()).then((page) => arguments[0](page))"
    page: dict[str, Any] = dashboard.driver.execute_async_script(script)
    return len(page["nodes"])
