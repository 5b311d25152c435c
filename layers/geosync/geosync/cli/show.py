"""`geosync show`: one container repository, its tags on both sides, and what is owed in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import click

from geosync.cli.arguments import check_repository, repository_argument
from geosync.cli.former import with_former
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    Line,
    Part,
    age,
    facts,
    moment_text,
    output_option,
    plain,
    put,
    refuse,
    size_text,
)
from geosync.cli.repositories import ago, console_fields
from geosync.cli.site import Chosen
from geosync.cli.status.lines import attempt_columns
from geosync.operating import repositories as found_repositories
from geosync.operating.documents import STATES, VERIFICATION_STATES, owed_fields, repository_detail_fields, tag_fields
from geosync.operating.repositories import RowDetail, TagState
from geosync.sync_registry.items import FAILED, VERIFICATION_FAILED, Row

MOST_TAGS = 1000
SHORT = 19
"""Characters of a digest that tell it from others: `sha256:` and twelve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One repository as it was read; `more`: it has more tags."""

    detail: RowDetail
    tags: tuple[TagState, ...]
    more: bool

    @property
    def row(self) -> Row:
        return self.detail.row


@click.command(short_help="Show one repository, its tags, and what is owed.")
@repository_argument
@click.option("--gitlab", is_flag=True, help="Print the row as GitLab's Rails console does.")
@output_option
@click.pass_obj
def show(choose: Callable[[], Chosen], *, repository: str, gitlab: bool, output: Format) -> None:
    """Show REPOSITORY, its tags on both sides, and what is owed in it. -o wide has whole digests.

    Exit code 0 if nothing is owed in it, 1 if something is, or if there is no such row.
    """
    check_repository(repository)
    site = choose().secondary("show")
    detail = found_repositories.detail(site.sync_registry, repository, clock=site.clock)
    if detail is None:
        refuse(f"{site.name} has no row for {repository}: no event named it, and no comparison found it")
    tags, more = found_repositories.tags(site.sync_registry, repository, limit=MOST_TAGS)
    found = _Shown(detail=detail, tags=tags, more=more is not None)
    document = _document(found)
    head = list(_as_gitlab(detail.row)) if gitlab else [facts(_facts(found))]
    put(Answer(document=document, rows=[document], shown=[*head, *_tables(found)]), output)
    raise SystemExit(SOMETHING_WRONG if detail.owed else NOTHING_OWED)


def _document(found: _Shown) -> dict[str, Any]:
    """The repository for programs."""
    detail = found.detail
    return {
        **with_former(repository_detail_fields(detail), console_fields(detail.row)),
        "tags": [tag_fields(tag, detail.at) for tag in found.tags],
        "owed": [
            with_former(owed_fields(one, detail.at), {"owed_since": one.owed_since, "due": one.due})
            for one in detail.owed
        ],
    }


# --------------------------------------------------------------------------------------------------------- for people


def _verification(row: Row, now_ms: int) -> Iterator[Line]:
    style = "red" if row.verification_state == VERIFICATION_FAILED else ""
    said = plain(VERIFICATION_STATES[int(row.verification_state)], style)
    yield ("verification", said.append(f", {ago(row.verified_at, now_ms)}"))
    if row.verification_failure is not None:
        yield ("", plain(row.verification_failure, "red"))


def _facts(found: _Shown) -> Iterator[Line]:
    row, now_ms = found.row, found.detail.at
    yield ("repository", plain(row.repository, "bold"))
    yield ("state", plain(STATES[int(row.state)], "red" if row.state == FAILED else ""))
    yield ("synced", f"{ago(row.last_synced_at, now_ms)}{', somebody works on it now' if row.leased(now_ms) else ''}")
    if row.last_sync_failure is not None:
        yield ("failure", plain(row.last_sync_failure, "red"))
    if row.retry_at is not None:
        yield ("next try", moment_text(row.retry_at))
    yield from _verification(row, now_ms)
    if row.missing_on_primary:
        yield ("primary", plain("does not have it any more", "yellow"))
    if row.renamed_from is not None:
        yield ("renamed from", row.renamed_from)
    yield ("tags", f"{'more than ' if found.more else ''}{len(found.tags)}")
    yield ("size", size_text(found.detail.size_bytes))
    yield ("owed", plain(_owed(found.detail), "" if found.detail.owed else "green"))


def _owed(detail: RowDetail) -> str:
    if not detail.owed:
        return "nothing"
    more = "more than " if detail.more_owed else ""
    failed = f", {detail.failed} failed" if detail.failed else ""
    return f"{more}{len(detail.owed)}{failed}, the oldest for {age(detail.owed_since, detail.at)}"


def _tables(found: _Shown) -> Iterator[Part]:
    if found.tags:
        yield ""
        yield Grid(_TAG_COLUMNS, found.tags)
        if found.more:
            yield plain("… and more tags", "dim")
    if found.detail.owed:
        yield ""
        yield Grid(_owed_columns(found.detail.at), found.detail.owed)


def _state(tag: TagState) -> object:
    if tag.owed is not None and tag.owed.failure is not None:
        return plain("failed", "red")
    if tag.owed is not None:
        return plain("pending", "yellow")
    return "synced"


def _short(digest: str | None, otherwise: str) -> str:
    return digest[:SHORT] if digest is not None else otherwise


_TAG_COLUMNS = (
    Column("tag", lambda tag: tag.name),
    Column("state", _state),
    Column("primary", lambda tag: _short(tag.primary_digest, "?")),
    Column("this site", lambda tag: _short(tag.secondary_digest, "not seen here")),
    Column("size", lambda tag: size_text(tag.size_bytes)),
    Column("whole digest at the primary", lambda tag: tag.primary_digest or "?", wide=True),
    Column("whole digest at this site", lambda tag: tag.secondary_digest or "not seen here", wide=True),
)


def _owed_columns(now_ms: int) -> tuple[Column, ...]:
    return (
        Column("owed", lambda one: one.reference),
        Column("for", lambda one: age(one.owed_since, now_ms)),
        *attempt_columns(now_ms),
    )


# ------------------------------------------------------------------------------------------ as GitLab's console has it


def _as_gitlab(row: Row) -> Iterator[Part]:
    """A row as GitLab's console prints it."""
    yield plain(f"#<Geo::ContainerRepositoryRegistry {row.repository}", "bold")
    stored = console_fields(row)
    names = [one.name for one in fields(row) if one.name in stored and one.name != "repository"]
    for name in names:
        yield plain(f"  {name}: {_ruby(name, stored[name])}{'' if name == names[-1] else ','}")
    words = f"{STATES[int(row.state)]}, verification {VERIFICATION_STATES[int(row.verification_state)]}"
    yield plain(f"> {words}")


def _ruby(name: str, value: object) -> str:
    """A field as GitLab's console writes it."""
    if value is None:
        return "nil"
    if name.endswith("_at") and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%a, %d %b %Y %H:%M:%S.%f000 UTC +00:00")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
