"""`geosync token`: named tokens of a site's admin API, so that the audit log says who acted."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.audit import audited
from geosync.cli.former import with_former
from geosync.cli.output import Answer, Column, Format, Grid, age, output_option, plain, put, refuse, tell
from geosync.cli.site import Chosen
from geosync.clock import DAY_MS, moment, optional_moment
from geosync.operating import admin_tokens
from geosync.sync_registry.site.admin_access import MOST_TOKENS, NamedToken, Right


@click.group("token", short_help="Named tokens of the admin API.")
def tokens() -> None:
    """Give people and programs tokens of their own for the admin API and the dashboard."""


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not admin_tokens.NAME.fullmatch(value):
        raise click.BadParameter(
            f"{plain(value)} is no name of a token: 1 to 32 lower-case letters, digits and hyphens"
        )
    return value


@tokens.command()
@click.argument("name", callback=_name)
@click.option(
    "--right",
    type=click.Choice(["read", "act"]),
    default="read",
    show_default=True,
    help="read only looks; act also resyncs, pauses, discards.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it ends by itself (default: never).")
@output_option
@click.pass_obj
def create(choose: Callable[[], Chosen], *, name: str, right: Right, days: int | None, output: Format) -> None:
    """Make a token NAME and print it. It is shown this once: only its digest is kept.

    Exit code 1 when there is one of this name.
    """
    site = choose().site()
    access = site.sync_registry.admin_access
    if access.find(name) is not None:
        refuse(f"{site.name} has a token {name}: geosync token revoke {name}, or another name")
    if len(access.all()) >= MOST_TOKENS:
        refuse(f"{site.name} has {MOST_TOKENS} tokens: revoke one first")
    now_ms, text = site.clock.now_ms(), admin_tokens.new_token()
    made = NamedToken(
        name=name,
        right=right,
        created_at=now_ms,
        ends_at=now_ms + days * DAY_MS if days is not None else None,
        key=admin_tokens.token_key(text.encode()),
    )
    with audited(site, "token create", name, right, *([f"{days} days"] if days is not None else [])):
        access.add(made)
    click.echo(f"{name} may {'look' if right == 'read' else 'look and act'} at {site.name}, in ten seconds.", err=True)
    document = {**_document(made, now_ms), "token": text}
    put(Answer(document=document, rows=[document], shown=[text]), output)


@tokens.command("list")
@output_option
@click.pass_obj
def list_tokens(choose: Callable[[], Chosen], *, output: Format) -> None:
    """List the named tokens, those that have ended too. The two of the stack are secrets, and not among them."""
    site = choose().site()
    known, now_ms = site.sync_registry.admin_access.all(), site.clock.now_ms()
    documents = [_document(one, now_ms) for one in known]
    nothing = f"{site.name} has no named tokens: geosync token create"
    put(Answer(document=documents, rows=documents, shown=[Grid(_columns(now_ms), known) if known else nothing]), output)


def _document(token: NamedToken, now_ms: int) -> dict[str, object]:
    document = {
        "name": token.name,
        "right": token.right,
        "created_at": moment(token.created_at),
        "ends_at": optional_moment(token.ends_at),
        "ended": token.has_ended(now_ms),
    }
    return with_former(document, {"created_at": token.created_at, "ends_at": token.ends_at})


def _columns(now_ms: int) -> tuple[Column, ...]:
    return (
        Column("name", lambda token: token.name),
        Column("right", lambda token: token.right),
        Column("created", lambda token: f"{age(token.created_at, now_ms)} ago"),
        Column("ends", lambda token: _end(token, now_ms)),
    )


def _end(token: NamedToken, now_ms: int) -> str:
    if token.ends_at is None:
        return "never"
    return "ended" if token.has_ended(now_ms) else f"in {age(now_ms, token.ends_at)}"


@tokens.command()
@click.argument("name", callback=_name)
@output_option
@click.pass_obj
def revoke(choose: Callable[[], Chosen], *, name: str, output: Format) -> None:
    """Revoke the token NAME, with the sessions that it opened. It is refused everywhere within a minute.

    Exit code 1 when there is none of this name.
    """
    site = choose().site()
    access = site.sync_registry.admin_access
    if access.find(name) is None:
        refuse(f"{site.name} has no token {name}")
    with audited(site, "token revoke", name):
        access.revoke(name)
    tell(f"{name} is revoked at {site.name}: refused everywhere within a minute.", output, name=name)
