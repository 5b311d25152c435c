"""The next page, as registries write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosync.oci.links import next_page


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (['</v2/_catalog?last=b&n=100>; rel="next"'], "/v2/_catalog?last=b&n=100"),
        (
            ['<https://h/v2/a/tags/list?last=v1&n=1&orderby=>; rel="next"'],
            "https://h/v2/a/tags/list?last=v1&n=1&orderby=",
        ),
        (["</x?a=%2f>;rel=next"], "/x?a=%2f"),
        (['</x>; title="a, b; c"; REL="prev next"'], "/x"),
        (['</first>; rel="first", </second>; rel="next"'], "/second"),
        (['</first>; rel="first"', '</second>; rel="next"'], "/second"),
        (["</bare>"], "/bare"),
        (['</x>; rel="prev"'], None),
        (['<>; rel="next"'], None),
        (["/x; rel=next"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_next_page_is_taken_as_it_was_given(values: list[str], target: str | None) -> None:
    assert next_page(values) == target


@given(st.lists(st.text(alphabet='<>;=", relnxt/?&', max_size=60), max_size=3))
def test_any_header_can_be_read(values: list[str]) -> None:
    found = next_page(values)
    assert found is None or found
