"""A drill's report for people: everything that was found is on each page, and nothing of it is taken for more."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from geosync.drilling import pages
from geosync.drilling.findings import (
    CanaryFound,
    Difference,
    DrillFound,
    Listed,
    RecoveryTime,
    SampleFound,
    TruthFound,
    UpdateFound,
)
from geosync.drilling.report import Document, Drill, document_of

AT = 1_775_000_000_000
HOSTILE = "</td><script>alert(1)</script>|`[x](javascript:alert(1))\x1b[31m"
FREE_TEXTS = (
    HOSTILE,
    "@everyone, see https://evil.example/ or www.evil.example",
    "![picture](https://evil.example/p.png) &lt;b&gt; &copy; #1 !1 ~x~ *x*",
    "`one` ``two`` `",
    "back\\|slash|`<b>`\\",
    "  ",
)
WELL = DrillFound(
    canary=CanaryFound(
        repository="geosync-drill", tag="oregon", digest="sha256:c", pushed_at=AT, arrived_s=1.5, waited_s=120
    ),
    listed=Listed(
        at=AT,
        recovery_point=AT - 2500,
        unknown_because=None,
        lost=(),
        lost_references=0,
        more_lost=False,
        parked=0,
        events_waiting=0,
        dead_letters=0,
    ),
    truth=TruthFound(repositories=2, tags=3, equal=3),
    sample=SampleFound(chosen=3, pulled=3, blobs=6, read_bytes=900),
    update=UpdateFound(is_accepted=True, changes=("SyncFunction (Modify)",)),
    recovery_time=RecoveryTime(list_s=0.4, wait_s=2.0, wait_at_most_s=0.0, update_s=75.0),
)
BAD = replace(
    WELL,
    canary=CanaryFound(repository="geosync-drill", tag="oregon", why=HOSTILE),
    truth=TruthFound(
        repositories=2,
        tags=3,
        equal=2,
        unnamed_tags=1,
        unnamed=(Difference(repository="group/app", tag="v3", at_primary="sha256:a", here=None),),
        left=(HOSTILE,),
    ),
    sample=SampleFound(chosen=2, pulled=1, blobs=2, read_bytes=10, bad_references=1, bad=(f"group/app:v2: {HOSTILE}",)),
    update=UpdateFound(is_accepted=False, why=HOSTILE),
    recovery_time=RecoveryTime(list_s=0.4, wait_s=2.0, wait_at_most_s=960.0, update_s=None, copies=HOSTILE),
)


def report(found: DrillFound, who: str = "arn:aws:iam::1:user/op") -> Document:
    drill = Drill(id="d" * 32, site="oregon", who=who, began_at=AT, late_s=900, primary="dublin")
    return document_of(drill, found, ended_at=AT + 9000)


class Elements(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("found", [WELL, BAD], ids=["passed", "failed"])
def test_a_page_of_html_has_no_script_and_nothing_from_elsewhere(found: DrillFound) -> None:
    page = pages.page(report(found, who=HOSTILE))
    elements = Elements(page)
    known = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "table", "tr", "th", "td"}
    assert elements.tags == known
    assert elements.attributes == {"lang", "charset", "http-equiv", "content", "name", "class", "scope"}
    assert "\x1b" not in page
    assert "alert(1)" in elements.text  # as what it is, a text


def test_the_policy_of_the_page_allows_its_own_style_alone() -> None:
    page = pages.page(report(WELL))
    (style,) = re.findall(r"<style>(.*?)</style>", page)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("text", FREE_TEXTS)
def test_markdown_keeps_what_is_said_inside_of_its_cell_as_code(text: str) -> None:
    """So it is read by a parser: two cells in each row, and in the second nothing but one code span."""
    written = pages.markdown(report(replace(BAD, update=UpdateFound(is_accepted=False, why=text)), who=text))
    cells = [after for at, after in pairwise(MarkdownIt("commonmark").enable("table").parse(written)) if is_cell(at)]
    names, said = cells[::2], cells[1::2]
    assert {one.content for one in names} >= {"", "by", "update"}
    assert {child.type for one in said for child in one.children or ()} == {"code_inline"}
    assert all(len(one.children or ()) <= 1 for one in said)
    seen = dict(zip((one.content for one in names), (one.content for one in said), strict=True))["by"]
    shown = text.replace("\x1b", " ").replace("\\|", "\\ |").strip()
    assert seen.strip("` ") == shown.strip("` ")
    assert "\x1b" not in written


def is_cell(token: Token) -> bool:
    return token.type in {"td_open", "th_open"}


def test_the_headline_in_markdown_is_text() -> None:
    document = report(WELL) | {"site": "![x](y) &lt; *z*"}
    heading = MarkdownIt("commonmark").parse(pages.markdown(document))[1]
    assert "".join(one.content for one in heading.children or ()) == "The drill of ![x](y) &lt; *z* passed."
    assert {one.type for one in heading.children or ()} <= {"text", "text_special"}


@pytest.mark.parametrize("write", [pages.markdown, pages.page])
def test_the_page_shows_everything_that_was_found(write: object) -> None:
    assert callable(write)
    text = re.sub(r"\\(.)", r"\1", write(report(WELL)))
    for said in (
        *("The drill of oregon passed.", "1.5 s later", "2.5 s before", "3 of 3 tags of 2 repositories", "about 77 s"),
        *("3 of 3 were right to the last byte", "SyncFunction (Modify)", "following dublin"),
    ):
        assert said in text, said
    bad = re.sub(r"\\(.)", r"\1", write(report(BAD)))
    for said in ("The drill of oregon failed.", "group/app:v3 is sha256:a at the primary", "recovery time"):
        assert said in bad, said


def test_an_unknown_value_is_shown_as_no_number() -> None:
    unknown = replace(WELL.listed, recovery_point=None, unknown_because="no comparison of everything has begun")
    document = report(replace(WELL, listed=unknown, recovery_time=BAD.recovery_time))
    assert document["listed"]["recovery_point_age_s"] is None
    assert document["recovery_time"]["estimated_s"] is None
    assert document["failed"] == ["the recovery point is not known: no comparison of everything has begun"]
    assert document["not_known"][0].startswith("the recovery time is not known")
    assert "not known: no comparison of everything has begun" in pages.page(document)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (WELL, "passed"),
        (replace(WELL, listed=replace(WELL.listed, recovery_point=AT - 901_000)), "failed"),
        (replace(WELL, listed=replace(WELL.listed, parked=1)), "failed"),
        (replace(WELL, listed=replace(WELL.listed, lost_references=7)), "passed"),
        (replace(WELL, listed=replace(WELL.listed, dead_letters=1)), "incomplete"),
        (replace(WELL, listed=replace(WELL.listed, more_lost=True)), "incomplete"),
        (replace(WELL, truth=replace(WELL.truth, left=("not all tags were compared",))), "incomplete"),
        (replace(WELL, sample=SampleFound(chosen=0, pulled=0, blobs=0, read_bytes=0)), "incomplete"),
        (replace(WELL, update=UpdateFound(is_accepted=None, why="AccessDenied")), "incomplete"),
        (replace(WELL, canary=replace(WELL.canary, arrived_s=None, why="owed")), "failed"),
        (BAD, "failed"),
    ],
)
def test_the_verdict(found: DrillFound, verdict: str) -> None:
    assert report(found)["verdict"] == verdict


def test_tags_are_counted_and_not_those_that_are_named_alone() -> None:
    (difference,) = BAD.truth.unnamed
    counted = replace(BAD.truth, named_tags=120, named=(difference,), in_flight=4, unnamed_tags=40, unjudged_tags=3)
    page = pages.page(report(replace(WELL, truth=counted)))
    for said in ("120 were on the list, 4 were on their way, 40 would not have been named, of 3 it is", "and 39 more"):
        assert said in page, said
    assert "it is not known" not in pages.page(report(WELL))


def test_a_report_of_a_version_without_counts_is_shown() -> None:
    document = report(BAD)
    for one in ("named_tags", "unnamed_tags", "unjudged_tags"):
        del document["truth"][one]
    del document["sample"]["bad_references"]
    assert "0 were on the list, 0 were on their way, 1 would not have been named" in pages.page(document)
