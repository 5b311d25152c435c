"""The documentation's pictures: as new as the dashboard's pages, small, few, and each of them shown."""

from __future__ import annotations

from tests.support.pictures import DIGEST, KEPT, MOST_BYTES, NAMES, PAGES, ROOT, digest_of_pages


def test_the_pictures_show_the_dashboard_as_it_is() -> None:
    assert DIGEST.read_text().strip() == digest_of_pages(), f"{PAGES.relative_to(ROOT)} changed: make pictures"


def test_there_are_few_pictures_and_each_is_small_and_is_one() -> None:
    assert sorted(path.name for path in KEPT.iterdir()) == sorted([*NAMES, DIGEST.name])
    assert len(NAMES) <= 8
    for name in NAMES:
        content = (KEPT / name).read_bytes()
        assert (content[:4], content[8:12], len(content) <= MOST_BYTES) == (b"RIFF", b"WEBP", True), name


def test_every_picture_is_shown_with_words_for_who_does_not_see_it() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    assert [name for name in NAMES if f"pictures/{name}" not in text] == []
    assert "![](" not in text
    assert text.count("<img ") == text.count('<img alt="')
