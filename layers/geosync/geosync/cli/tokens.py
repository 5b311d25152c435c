"""`geosync token`: named tokens of a site's admin API, so that the audit log says who acted."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.audit import audited
from geosync.cli.output import SOMETHING_WRONG, age, as_json, console, plain, table
from geosync.cli.site import Chosen
from geosync.operating import admin_tokens
from geosync.sync_registry.site.admin_access import MOST_TOKENS, NamedToken, Right

DAY_MS = 86_400_000


@click.group("token", short_help="Named tokens of the admin API.")
def tokens() -> None:
    """Give people and programs tokens of their own for the admin API and the dashboard."""


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not admin_tokens.NAME.fullmatch(value):
        raise click.BadParameter(f"{plain(value)} is none: 1 to 32 lower-case letters, digits and hyphens")
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
@click.pass_obj
def create(choose: Callable[[], Chosen], name: str, right: Right, days: int | None) -> None:
    """Make a token NAME and print it. It is shown this once: only its digest is kept.

    Exit code 1 when there is one of this name.
    """
    site = choose().site()
    access = site.sync_registry.admin_access
    if access.find(name) is not None:
        click.echo(f"{site.name} has a token {name}: geosync token revoke {name}, or another name", err=True)
        raise SystemExit(SOMETHING_WRONG)
    if len(access.all()) >= MOST_TOKENS:
        click.echo(f"{site.name} has {MOST_TOKENS} tokens: revoke one first", err=True)
        raise SystemExit(SOMETHING_WRONG)
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
    click.echo(text)


@tokens.command("list")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def list_tokens(choose: Callable[[], Chosen], as_document: bool) -> None:
    """List the named tokens, those that have ended too. The two of the stack are secrets, and not among them."""
    site = choose().site()
    known, now_ms = site.sync_registry.admin_access.all(), site.clock.now_ms()
    if as_document:
        as_json([_document(one, now_ms) for one in known])
    elif known:
        console().print(table(("name", "right", "created", "ends"), (_row(one, now_ms) for one in known)))
    else:
        click.echo(f"{site.name} has no named tokens: geosync token create")


def _document(token: NamedToken, now_ms: int) -> dict[str, object]:
    return {
        "name": token.name,
        "right": token.right,
        "created_at": token.created_at,
        "ends_at": token.ends_at,
        "ended": token.has_ended(now_ms),
    }


def _row(token: NamedToken, now_ms: int) -> tuple[object, ...]:
    return (token.name, token.right, f"{age(token.created_at, now_ms)} ago", _end(token, now_ms))


def _end(token: NamedToken, now_ms: int) -> str:
    if token.ends_at is None:
        return "never"
    return "ended" if token.has_ended(now_ms) else f"in {age(now_ms, token.ends_at)}"


@tokens.command()
@click.argument("name", callback=_name)
@click.pass_obj
def revoke(choose: Callable[[], Chosen], name: str) -> None:
    """Revoke the token NAME, with the sessions that it opened. It is refused everywhere within a minute.

    Exit code 1 when there is none of this name.
    """
    site = choose().site()
    access = site.sync_registry.admin_access
    if access.find(name) is None:
        click.echo(f"{site.name} has no token {name}", err=True)
        raise SystemExit(SOMETHING_WRONG)
    with audited(site, "token revoke", name):
        access.revoke(name)
    click.echo(f"{name} is revoked at {site.name}: refused everywhere within a minute.")
