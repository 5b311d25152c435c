"""A drill's report for people: its lines, and of them a page of Markdown or of HTML.

Names in it come from registries. Nothing of them is taken for a command, a mark-up or a script.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from geosync.clock import moment
from geosync.drilling.cut import cut
from geosync.drilling.report import Document
from geosync.oci.words import printable

NAMED = 20
"""References that a page names of each kind."""
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;"
    "border-bottom:1px solid #d1d9e0}th{font-weight:600;width:14rem}td{overflow-wrap:anywhere}"
    ".passed{color:#116329}.incomplete{color:#7d4e00}.failed{color:#a40e26}"
)
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#|~&!])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines of a report under one title: a name each, and what is said of it."""

    title: str
    lines: tuple[tuple[str, str], ...]


def headline(report: Document) -> str:
    """The verdict in one sentence."""
    meaning = {"passed": "passed", "incomplete": "is incomplete: something is not known", "failed": "failed"}
    return f"The drill of {report['site']} {meaning[report['verdict']]}."


def sections(report: Document) -> tuple[Section, ...]:
    """The lines of a report."""
    return (
        Section(title="Verdict", lines=tuple(_verdict(report))),
        Section(title="Canary", lines=tuple(_canary(report["canary"]))),
        Section(title="If the primary had been gone", lines=tuple(_listed(report["listed"], report["truth"]))),
        Section(title="Pulled in full from this site", lines=tuple(_sample(report["sample"]))),
        Section(title="Promotion", lines=tuple(_promotion(report["update"], report["recovery_time"]))),
    )


def markdown(report: Document) -> str:
    """The report as Markdown."""
    parts = [f"# {_marked(headline(report))}"]
    for section in sections(report):
        rows = [f"| {_marked(name)} | {_code(said)} |" for name, said in section.lines]
        parts.append("\n".join([f"## {section.title}", "", "| | |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def page(report: Document) -> str:
    """The report as one page of HTML: no script, nothing from elsewhere, and a policy that allows neither."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = html.escape(headline(report))
    body = "".join(
        f"<h2>{html.escape(section.title)}</h2><table>{''.join(map(_row, section.lines))}</table>\n"
        for section in sections(report)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f'<body><h1 class="{html.escape(report["verdict"])}">{title}</h1>\n{body}</body></html>\n'
    )


def _row(line: tuple[str, str]) -> str:
    name, said = (html.escape(printable(text)) for text in line)
    return f'<tr><th scope="row">{name}</th><td>{said}</td></tr>'


def _marked(text: str) -> str:
    return _MARKUP.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    """`text` as a code span in a cell: neither mark-up nor, as forges make them of plain text, a link or a mention."""
    said = printable(text).replace("\\|", "\\ |").replace("|", "\\|").strip()
    fence = "`" * (1 + max(map(len, re.findall("`+", said)), default=0))
    space = " " if "`" in said else ""
    return f"{fence}{space}{said}{space}{fence}" if said else ""


def _verdict(report: Document) -> Iterator[tuple[str, str]]:
    yield ("verdict", report["verdict"])
    yield from (("failed", reason) for reason in report["failed"])
    yield from (("not known", reason) for reason in report["not_known"])
    yield ("site", f"{report['site']}, following {report['primary'] or 'a primary whose name is not known'}")
    yield ("when", f"{moment(report['began_at'])}, {(report['ended_at'] - report['began_at']) / 1000:.1f} s")
    yield ("by", report["who"])
    yield ("id", report["id"])


def _canary(canary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield ("image", f"{canary['repository']}:{canary['tag']}")
    if canary["digest"] is None:
        yield ("pushed", f"no: {canary['why']}")
        return
    yield ("pushed", f"{moment(canary['pushed_at'])} as {canary['digest']}")
    arrived_s = canary["arrived_s"]
    late = f"not within {canary['waited_s']:.0f} s: {canary['why']}"
    yield ("arrived", f"{arrived_s:.1f} s later, as this machine saw it" if arrived_s is not None else late)


def _listed(listed: Mapping[str, Any], truth: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield ("judged at", f"{moment(listed['at'])}, by what this site knew")
    point = listed["recovery_point"]
    known = f"{moment(point)}, {listed['recovery_point_age_s']:.1f} s before" if point is not None else ""
    yield ("recovery point", known or f"not known: {listed['unknown_because']}")
    more = " and more" if listed["more_lost"] else ""
    yield ("would be lost", f"references: {listed['lost_references']}{more}, of them parked: {listed['parked']}")
    lost = [f"{one['repository']} {one['reference']}" for one in listed["lost"]]
    yield from (("", line) for line in cut(lost, NAMED, of=listed["lost_references"]))
    queued = f"{listed['events_waiting']} events in the queue, {listed['dead_letters']} messages in the DLQ"
    yield ("may name more", queued)
    counted = f"{truth['equal']} of {truth['tags']} tags of {truth['repositories']} repositories are here"
    yield ("the truth", f"{counted} as the primary has them")
    named, unnamed = _counted(truth, "named"), _counted(truth, "unnamed")
    unjudged = truth.get("unjudged_tags", 0)
    on_list = f"{named} were on the list, {truth['in_flight']} were on their way, {unnamed} would not have been named"
    yield ("of the others", f"{on_list}, of {unjudged} it is not known" if unjudged else on_list)
    missing = [f"{one['repository']}:{one['tag']} is {one['at_primary']} at the primary" for one in truth["unnamed"]]
    yield from (("not on the list", line) for line in cut(missing, NAMED, of=unnamed))


def _counted(truth: Mapping[str, Any], which: str) -> int:
    """The number of tags; a report of before there were counts has the tags themselves alone."""
    return int(truth.get(f"{which}_tags", len(truth[which])))


def _sample(sample: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield ("references", f"{sample['pulled']} of {sample['chosen']} were right to the last byte")
    yield ("read", f"{sample['blobs']} blobs, {sample['read_bytes']} bytes")
    yield from (("wrong", one) for one in cut(sample["bad"], NAMED, of=sample.get("bad_references")))


def _promotion(update: Mapping[str, Any], time: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    said = {True: "accepted by CloudFormation, and not made", False: f"refused: {update['why']}"}
    yield ("update", said.get(update["is_accepted"], f"not checked: {update['why']}"))
    if update["changes"]:
        yield ("would change", ", ".join(update["changes"]))
    estimated = time["estimated_s"]
    yield ("recovery time", f"about {estimated:.0f} s" if estimated is not None else "not known")
    yield ("", f"{time['list_s']:.1f} s for the list")
    copies = f"at most {time['wait_at_most_s']:.0f} s: this site {time['copies']}" if time["copies"] else "none now"
    yield ("", f"{time['wait_s']:.1f} s to see that nothing is copied; waiting for copies: {copies}")
    last = time["update_s"]
    yield ("", f"{last:.0f} s for the stack, as its last update took" if last is not None else "the stack: not known")
