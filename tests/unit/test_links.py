"""Every link of the documentation leads somewhere, to a file or a heading that is there, and no line is too long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in {"dist", "build"} for part in path.relative_to(ROOT).parts[:-1])
)
SOURCES = sorted(
    [ROOT / "template.yaml", ROOT / "Makefile"]
    + [path for folder in ("layers", "functions", "local", "release") for path in (ROOT / folder).rglob("*.py")]
    + list((ROOT / "functions" / "admin" / "pages").glob("*.js"))
)
LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
NAMED = re.compile(r"\bdocs/[a-z0-9][a-z0-9_./-]*\.md(?:#[\w-]+)?")
"""Our pages have names in lower case; other projects' in docs/ that are named in a comment have not."""


def prose(page: Path) -> str:
    """A page without its code, in which brackets are no links and # begins no heading."""
    text = re.sub(r"^( *)(```+|~~~+).*?^\1\2 *$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!`)`[^`\n]+`(?!`)", lambda found: found[0] if "](" not in found[0] else "", text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names of a page's headings, as GitHub and GitLab make them; of equal ones the later have a number."""
    found: dict[str, int] = {}
    names = set(re.findall(r'<a (?:id|name)="([^"]+)"', page.read_text()))
    for heading in re.findall(r"^#{1,6} (.*?)#*$", prose(page), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip())
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return frozenset(names)


def broken(page: Path, targets: Iterator[str], base: Path) -> Iterator[str]:
    for target in targets:
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:", path):
            continue
        leads_to = (base / path).resolve() if path else page
        if not leads_to.exists() or not leads_to.is_relative_to(ROOT):
            yield f"{page.relative_to(ROOT)}: {target} is no file of the repository"
        elif anchor and leads_to.suffix == ".md" and anchor not in anchors(leads_to):
            yield f"{page.relative_to(ROOT)}: {target} has no such heading"


def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_is_there() -> None:
    assert len(PAGES) > 50
    targets = {page: [found[1] for found in LINK.finditer(prose(page))] for page in PAGES}
    assert sum(map(len, targets.values())) > 200
    assert [text for page in PAGES for text in broken(page, iter(targets[page]), page.parent)] == []


def test_every_page_that_a_message_or_a_comment_names_is_there() -> None:
    named = {source: NAMED.findall(source.read_text()) for source in SOURCES}
    assert sum(map(len, named.values())) > 5
    assert [text for source in SOURCES for text in broken(source, iter(named[source]), ROOT)] == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("[a](no-such-page.md)", "is no file"),
        ("[a](page.md#no-such-heading)", "has no such heading"),
        ("[a](#nowhere)", "has no such heading"),
        ("[a](/etc/hosts)", "is no file"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(
    link: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        f"# A heading: `code`, and more\n\n{link} [b](page.md#a-heading-code-and-more) [c](https://a.b/c)\n"
    )
    (text,) = broken(page, (found[1] for found in LINK.finditer(prose(page))), tmp_path)
    assert why in text


def test_no_line_of_a_page_is_longer_than_120_characters_outside_of_tables_and_code() -> None:
    kept_as_it_was = ROOT / "tests" / "e2e" / "previous"
    too_long = [
        f"{page.relative_to(ROOT)}: {line[:60]}"
        for page in PAGES
        if not page.is_relative_to(kept_as_it_was)
        for line in prose(page).splitlines()
        if len(line) > 120 and not line.lstrip().startswith(("|", "<"))
    ]
    assert not too_long, "\n".join(too_long)
