"""What an operator asked for, in words; also of entries that were written before names were kept."""

import json

import pytest

from geosync.operating.audit_words import summary

ONE = "POST /api/v4/geo/container_repositories/17/"
MANY = "POST /api/v4/geo/container_repositories/"
LETTERS = "POST /api/v4/geo/dead_letters/"
SITES = "/api/v4/geo_sites"
NAME = "group/app"


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        (f"{ONE}resync", {}, "Resync group/app"),
        (f"{ONE}resync", {"references": ["v1"], "keep": True}, "Resync v1 of group/app, removing no tag"),
        (f"{ONE}reverify", {}, "Reverify group/app"),
        (f"{ONE}keep", {}, "Keep the missing and outside tags of group/app"),
        (f"{ONE}keep", {"tags": ["v1", "v2"]}, "Keep v1, v2 of group/app"),
        (f"{ONE}adopt", {"tags": []}, "Adopt the extra tags of group/app"),
        (f"{ONE}adopt", {"tags": list("abcdefg")}, "Adopt a, b, c, d, e and 2 more of group/app"),
        (f"{ONE}dismiss", {"reason": "known", "found_at": "x"}, "Dismiss what was found in group/app: known"),
        (f"{ONE}undismiss", {}, "Show again what was found in group/app"),
        (f"{MANY}resync", {"scope": "all"}, "Resync all"),
        (f"{MANY}reverify", {"scope": "failed"}, "Reverify all failed"),
        (f"{MANY}resync", None, "Resync many"),
        (f"{LETTERS}replay", {"all": True}, "Replay all dead letters"),
        (f"{LETTERS}replay", {"ids": ["a"]}, "Replay 1 dead letter"),
        (f"{LETTERS}discard", {"ids": ["a", "b"], "reason": "a test's"}, "Discard 2 dead letters: a test's"),
        ("POST /api/v4/geo/pause", {"reason": "storage"}, "Pause: storage"),
        ("POST /api/v4/geo/pause", {"reason": ""}, "Pause"),
        ("POST /api/v4/geo/resume", {}, "Resume"),
        ("POST /api/v4/geo/deletes/resume", {}, "Resume deletes"),
        (f"POST {SITES}", {"name": "oregon", "url": "https://o/"}, "Expect the site oregon at https://o/"),
        (f"DELETE {SITES}/12", None, "Expect the site 12 no more"),
        ("POST /sign-out", None, "Sign out"),
        ("sign in", None, "Sign in"),
        (f"{ONE}made-up", {}, f"{ONE}made-up"),
    ],
)
def test_an_action_is_told_as_its_button_is_called(action: str, body: object, words: str) -> None:
    detail = json.dumps(body) if body is not None else ""
    assert summary({"action": action, "detail": detail, "repository": NAME}) == words


def test_an_older_entry_has_the_id_in_place_of_the_name() -> None:
    assert summary({"action": f"{ONE}resync"}) == "Resync container repository 17"


def test_a_site_is_told_by_its_name_where_that_was_kept() -> None:
    assert summary({"action": f"DELETE {SITES}/12", "site_name": "oregon"}) == "Expect the site oregon no more"


@pytest.mark.parametrize(
    "detail", ['{"references": ["v1', '["v1"]', "null", "[" * 6000, '{"references": 7, "reason": 7}']
)
def test_a_body_that_was_cut_or_is_none_of_ours_is_passed_over(detail: str) -> None:
    assert summary({"action": f"{ONE}resync", "detail": detail, "repository": NAME}) == "Resync group/app"


def test_what_the_command_did_is_the_command_as_it_was_typed() -> None:
    assert summary({"action": "geosync pause", "detail": "'for a while'"}) == "geosync pause 'for a while'"
    assert summary({"action": "geosync promote"}) == "geosync promote"


def test_a_message_that_was_given_up_is_told_with_the_reason() -> None:
    assert summary({"action": "discard 7f3a", "detail": "a test's"}) == "Discard dead letter 7f3a: a test's"
