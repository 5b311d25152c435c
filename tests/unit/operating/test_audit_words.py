"""What an operator asked for, in words; also of entries that were written before names were kept."""

import json

import pytest

from geosync.operating.audit_words import abridged, summary

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


UNKNOWN = [
    ("resync", "Resync something of group/app"),
    ("adopt", "Adopt tags of group/app"),
    ("keep", "Keep tags of group/app"),
    ("reverify", "Reverify group/app"),
    ("dismiss", "Dismiss what was found in group/app"),
]
"""The words where nobody can tell which references were named."""


@pytest.mark.parametrize(("verb", "words"), UNKNOWN)
@pytest.mark.parametrize(
    "detail", ['{"tags": ["v1', '{"references": ["v1', '["v1"]', "null", "[" * 6000, '{"references": 7, "tags": 7}']
)
def test_an_action_with_unknown_targets_is_not_shown_as_an_action_on_all(verb: str, words: str, detail: str) -> None:
    assert summary({"action": f"{ONE}{verb}", "detail": detail, "repository": NAME}) == words


@pytest.mark.parametrize(("verb", "words"), UNKNOWN)
@pytest.mark.parametrize("detail", ["read_only", "{}", ""])
def test_the_targets_of_a_refused_request_are_not_known(verb: str, words: str, detail: str) -> None:
    entry = {"action": f"{ONE}{verb}", "detail": detail, "repository": NAME, "outcome": "refused"}
    assert summary(entry) == words


def told_long(action: str, body: object) -> str:
    """The words of an entry whose body was too long to be kept."""
    detail = json.dumps(body)
    return summary({"action": action, "detail": detail[:50], "repository": NAME, "asked": abridged(detail)})


def test_of_a_body_too_long_to_keep_the_first_targets_and_the_reason_are_shown() -> None:
    tags = [f"release-{number:04}" for number in range(200)]
    first = "release-0000, release-0001, release-0002, release-0003, release-0004 and 195 more of group/app"
    assert told_long(f"{ONE}adopt", {"tags": tags, "reason": "moved"}) == f"Adopt {first}: moved"
    assert told_long(f"{ONE}resync", {"references": tags, "keep": True}) == f"Resync {first}, removing no tag"
    assert told_long(f"{LETTERS}discard", {"ids": tags, "reason": "r"}) == "Discard 200 dead letters: r"


def test_the_kept_part_of_a_long_body_is_bounded() -> None:
    long = "x" * 100_000
    body = {"tags": [long] * 100, "reason": long, "name": long, "url": long, "other": long, "keep": True}
    kept = abridged(json.dumps(body))
    assert kept is not None
    assert len(kept) < 20_000
    assert abridged("[1]") is abridged('{"tags": ["') is None


@pytest.mark.parametrize("name", ["v1 of other/app, removing no tag: approved", "v1, v2", "", "a\u202eb", "sha256:ab"])
def test_a_text_that_is_no_reference_is_quoted_so_that_it_cannot_forge_a_sentence(name: str) -> None:
    quoted = json.dumps(name)
    for verb, list_ in (("resync", "references"), ("adopt", "tags")):
        detail = json.dumps({list_: ["v1", name]})
        told = summary({"action": f"{ONE}{verb}", "detail": detail, "repository": NAME})
        assert told == f"{verb.capitalize()} v1, {quoted} of group/app"
    detail = json.dumps({"name": name, "url": f"https://o/ {name}"})
    told = summary({"action": f"POST {SITES}", "detail": detail})
    assert told == f"Expect the site {quoted} at {json.dumps(f'https://o/ {name}')}"


def test_a_digest_is_told_as_it_is() -> None:
    digest = f"sha256:{'a' * 64}"
    entry = {"action": f"{ONE}resync", "detail": json.dumps({"references": [digest]}), "repository": NAME}
    assert summary(entry) == f"Resync {digest} of group/app"


def test_an_action_of_the_command_is_shown_as_the_typed_command() -> None:
    assert summary({"action": "geosync pause", "detail": "'for a while'"}) == "geosync pause 'for a while'"
    assert summary({"action": "geosync promote"}) == "geosync promote"


def test_a_message_that_was_given_up_is_told_with_the_reason() -> None:
    assert summary({"action": "discard 7f3a", "detail": "a test's"}) == "Discard dead letter 7f3a: a test's"
