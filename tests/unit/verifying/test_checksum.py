"""GitLab's checksum: the vectors of its own tests."""

from __future__ import annotations

import pytest

from geosync.verifying.checksum import checksum


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ([("latest", "sha256:1111")], "05992d0e2070dfb6945b660bc0a184d3b93bf3c90e005611c9914b67c64ac5d2"),
        (
            [("latest", "sha256:1111"), ("v1", "sha256:2222")],
            "028fd010605267b6ee6831b3456d820ae5c1815161cebc2df8c029b344ade37e",
        ),
    ],
)
def test_the_checksum_is_gitlabs(tags: list[tuple[str, str]], expected: str) -> None:
    assert checksum(tags) == expected


def test_tags_out_of_order_are_no_checksum() -> None:
    with pytest.raises(ValueError, match="latest comes after v1"):
        checksum([("v1", "sha256:2222"), ("latest", "sha256:1111")])


def test_a_tag_twice_is_no_checksum() -> None:
    with pytest.raises(ValueError, match="v1 comes after v1"):
        checksum([("v1", "sha256:2222"), ("v1", "sha256:2222")])
