"""Challenges as registries write them, and credentials that no text gives away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local.certificates import signing_pair
from tests.support.moved_clock import MovedClock

from geosync.oci.auth import Authorizer
from geosync.oci.challenges import Challenge, parse_challenges
from geosync.oci.credentials import Basic, RegistryKey
from geosync.oci.deadline import Deadline
from geosync.oci.scopes import push
from geosync.oci.transport import Transport
from geosync.oci.uploads import Upload, closing_url


def test_a_bearer_challenge_keeps_the_commas_in_its_scope() -> None:
    value = 'Bearer realm="https://a.example/token",service="s",scope="repository:p/b:pull,push repository:x:pull"'
    assert parse_challenges([value]) == [
        Challenge(
            scheme="bearer",
            parameters={
                "realm": "https://a.example/token",
                "service": "s",
                "scope": "repository:p/b:pull,push repository:x:pull",
            },
        )
    ]


@pytest.mark.parametrize(
    ("values", "schemes"),
    [
        (['Basic realm="x"'], ["basic"]),
        (["BASIC realm=x"], ["basic"]),
        (['Bearer realm="r", Basic realm="x, y"'], ["bearer", "basic"]),
        (['Bearer realm="r"', 'Basic realm="x"'], ["bearer", "basic"]),
        (["Negotiate", 'Basic realm="x"'], ["negotiate", "basic"]),
        (['Bearer realm = "r" , service = "s"'], ["bearer"]),
        ([""], []),
        (["=,="], []),
    ],
)
def test_several_challenges_in_one_header_or_more(values: list[str], schemes: list[str]) -> None:
    assert [one.scheme for one in parse_challenges(values)] == schemes


def test_quoted_pairs_are_unquoted() -> None:
    assert parse_challenges([r'Basic realm="a \"b\" \\c"'])[0].parameters["realm"] == r'a "b" \c'


@given(st.lists(st.text(max_size=80), max_size=3))
def test_any_header_can_be_parsed(values: list[str]) -> None:
    assert all(one.scheme for one in parse_challenges(values))


_PLAIN = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=20)


@given(realm=_PLAIN, scope=_PLAIN)
def test_a_quoted_value_is_read_back(realm: str, scope: str) -> None:
    (parsed,) = parse_challenges([f'Bearer realm="{realm}",scope="{scope}"'])
    assert parsed.parameters == {"realm": realm, "scope": scope}


def test_no_text_of_credentials_or_of_an_upload_holds_a_secret() -> None:
    holders = [
        Basic(username="geo", password="s3cret"),
        RegistryKey(private_key="s3cret", issuer="i", service="s", certificate="s3cret"),
        Upload(repository="a/b", location="https://h/v2/a/b/blobs/uploads/1?_state=s3cret"),
    ]
    for one in holders:
        assert "s3cret" not in f"{one} {one!r}"
        assert "s3cret" not in str({"x": one})


def test_the_digest_is_appended_to_the_query_that_is_there_and_nothing_is_encoded_again() -> None:
    digest = "sha256:" + "0" * 64
    with_state = "http://h/v2/a/b/blobs/uploads/1?_state=a%3D%2f~+b%20c=="
    assert closing_url(with_state, digest) == f"{with_state}&digest={digest}"
    assert closing_url("http://h/v2/a/b/blobs/uploads/1", digest).endswith(f"/1?digest={digest}")


def test_an_upload_that_could_outlive_its_token_gets_a_new_one() -> None:
    key = RegistryKey(private_key=signing_pair().private_key, issuer="geo", service="registry", lifetime_s=105)
    clock = MovedClock()
    authorizer = Authorizer("https://registry", key, Transport(), Deadline(clock), writes=True)
    access = (push("app"),)

    def at(seconds: float, *, lasting: float) -> str | None:
        clock.ahead_s = seconds
        return authorizer.header(access, lasting)

    first = at(0, lasting=0)
    assert at(40, lasting=10) == first, "60 s are left"
    assert at(40, lasting=10_000) == first, "one that is younger than its half is as good as a new one"
    second = at(60, lasting=45)
    assert second != first, "40 s are left"
    assert at(60, lasting=10_000) == second
