"""`geosync context`: sites by a short name, so that no command line has to name stack and region."""

from __future__ import annotations

from pathlib import Path

import click

from geosync.cli.choosing import contexts
from geosync.cli.choosing.contexts import SiteContext
from geosync.cli.choosing.options import LOCAL_STATE, site_choice
from geosync.cli.output import Answer, Column, Format, Grid, output_option, put, tell


@click.group(short_help="Name sites, and choose the current one.")
def context() -> None:
    """Give sites short names, and choose the one that is used where the command line names none.

    The names are in a file of yours (0600, no secret is in it): $XDG_CONFIG_HOME/geosync/config.json.
    """


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not contexts.NAME.fullmatch(value):
        raise click.BadParameter("1 to 64 letters, digits, dots, hyphens and underscores")
    return value


@context.command(short_help="Name a site.")
@click.argument("name", callback=_name)
@output_option
@click.pass_context
def add(ctx: click.Context, *, name: str, output: Format) -> None:
    """Name a site NAME, as in geosync context add oregon --stack geosync-oregon --region us-west-2.

    The site is not asked for anything. NAME that is there already becomes this site. The first one is the current one.
    """
    written = {key: value for key, value in site_choice(ctx).written.items() if key != "context"}
    if ("stack" in written) == ("local" in written):
        raise click.UsageError("which site? --stack NAME with --region and --profile as needed, or --local SITE")
    if "local" in written:
        written["local_state"] = str(Path(written.get("local_state", LOCAL_STATE)).absolute())
    known = contexts.read().with_context(name, SiteContext(**written))
    contexts.write(known)
    tell(f"{name} is a context{' and the current one' if known.current == name else ''}.", output, name=name)


@context.command(short_help="Choose the current one.")
@click.argument("name")
@output_option
def use(*, name: str, output: Format) -> None:
    """Use the site NAME wherever the command line and the environment name none."""
    contexts.write(contexts.read().using(name))
    tell(f"{name} is the current context.", output, name=name)


@context.command(short_help="Forget a name.")
@click.argument("name")
@output_option
def remove(*, name: str, output: Format) -> None:
    """Forget the name NAME; nothing happens to the site."""
    contexts.write(contexts.read().without(name))
    tell(f"{name} is no longer a context.", output, name=name)


@context.command("list", short_help="List the names.")
@output_option
def list_contexts(*, output: Format) -> None:
    """List the contexts; the current one has a star."""
    known = contexts.read()
    rows = [
        {"name": name, "current": name == known.current, **dict.fromkeys(SiteContext.__slots__), **site.fields()}
        for name, site in sorted(known.by_name.items())
    ]
    columns = (
        Column("", lambda row: "*" if row["current"] else ""),
        Column("name", lambda row: row["name"]),
        Column("stack", lambda row: row["stack"] or ""),
        Column("region", lambda row: row["region"] or ""),
        Column("profile", lambda row: row["profile"] or ""),
        Column("local", lambda row: row["local"] or ""),
        Column("state", lambda row: row["local_state"] or "", wide=True),
    )
    shown = Grid(columns, rows) if rows else "There is no context: geosync context add"
    put(Answer(document=rows, rows=rows, shown=[shown]), output)
