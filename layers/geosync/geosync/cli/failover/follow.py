"""`geosync follow`: a site becomes a secondary of another primary."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from geosync.aws.regions import opted_in
from geosync.cli.audit import audited
from geosync.cli.failover.next_steps import list_secrets
from geosync.cli.failover.quiet_update import confirm, must_not_ask, quiet_update
from geosync.cli.failover.stack_update import UNDER_WAY, must_take_updates
from geosync.cli.output import CANNOT_TELL, Format, age, output_option, tell
from geosync.cli.site import Chosen, StackSite
from geosync.cli.sites import key_of
from geosync.errors import ConfigurationError
from geosync.messages import event_log
from geosync.operating import sites
from geosync.sync_registry.site.sites import KnownSite

NO_SECRET = "none"  # noqa: S105 - the word for none


@click.command(short_help="Make this site a secondary of another primary.")
@click.argument("primary", metavar="STACK[@REGION]")
@click.option("--registry-url", metavar="URL", help="The primary's registry as this site reaches it (default: as it).")
@click.option(
    "--registry-secret",
    metavar="ARN",
    default="",
    help="The secret in this site's region with credentials for it (default: the one that this site has for that "
    "registry); none if this site needs none.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def follow(
    choose: Callable[[], Chosen],
    *,
    primary: str,
    registry_url: str | None,
    registry_secret: str,
    yes: bool,
    output: Format,
) -> None:
    """Make this site a secondary of the primary STACK: after a promotion, or when an old primary comes back.

    Everything is compared anew. What only this site has stays: nothing that was here under another primary is removed.

    Exit code 0: done. 2: not done, or nobody can tell yet. 3: declined, nothing was changed. An output for programs
    asks no questions and needs --yes.
    """
    must_not_ask(output, yes=yes)
    chosen = choose()
    site = chosen.site()
    must_take_updates(site)
    leader = _leader(chosen, site, primary)
    url = _checked_url(registry_url) or leader.parameters["LocalRegistryUrl"]
    changes = {
        "SiteRole": "secondary",
        "PrimaryTopicArn": leader.outputs["TopicArn"],
        "PrimaryRegistryUrl": url,
        "PrimaryRegistrySecretArn": _secret(site, leader, url, registry_secret),
        "PrimaryRegistryVendor": leader.parameters.get("LocalRegistryVendor", "auto"),
        # A private admin API is not reached from here, and reports that never arrive degrade the primary.
        "PrimaryAdminUrl": leader.outputs["AdminUrl"] if leader.takes_reports else "",
        **_buckets(site, leader),
        **_regions(site, leader),
    }
    known = leader.sync_registry.sites
    wanted = KnownSite(
        name=site.name, url=site.outputs["AdminUrl"], added_at=site.clock.now_ms(), report_key=key_of(site)
    )
    sites.refuse_twin(known, leader.name, wanted)
    if not yes:
        _ask(site, leader)
    try:
        with audited(site, "follow", primary):
            # The new primary shows this site from now on; without harm if the update does not come about.
            with audited(leader, "follow", primary, f"by {site.name}"):
                if leader.takes_reports:
                    sites.expect(known, leader.name, wanted)
            quiet_update(site, f"following {leader.name}", changes, say=True)
            site.sync_registry.promotions.forget()
    except KeyboardInterrupt:
        click.echo("Interrupted: run the same command again.", err=True)
        raise SystemExit(CANNOT_TELL) from None
    # The minute that comes anyway, now: the subscription is made. With the next, a comparison of everything begins.
    site.client("lambda").invoke(FunctionName=site.outputs["ReconcileFunction"], Payload=b"{}")
    _tell(site, leader, output)


def _leader(chosen: Chosen, site: StackSite, primary: str) -> StackSite:
    """The site to follow; raises ConfigurationError when it cannot be followed."""
    (leader,) = chosen.named(primary)
    if leader.name == site.name:
        twin = (leader.stack, leader.region) != (site.stack, site.region)
        why = f": {leader.stack} has the same name, and two sites must not have one name" if twin else ""
        raise ConfigurationError(f"{site.name} cannot follow itself{why}")
    if not leader.is_primary:
        raise ConfigurationError(f"{leader.name} is no primary: geosync --stack {leader.stack} promote makes it one")
    if leader.state.endswith(UNDER_WAY):
        raise ConfigurationError(f"{leader.stack} is {leader.state}: try again when it has become the primary")
    return leader


def _buckets(site: StackSite, leader: StackSite) -> dict[str, str]:
    """The parameters that name the buckets between which S3 copies: the new primary's own, or none where it names none.

    The former primary's bucket beside the new one's vendor would have the template's rules refuse the update.
    """
    if not site.parameters.get("PrimaryRegistryBucket"):
        return {}
    bucket = leader.parameters.get("LocalRegistryBucket", "")
    if bucket:
        key = leader.parameters.get("LocalBucketKmsKeyArn", "")
        return {"PrimaryRegistryBucket": bucket, "PrimaryBucketKmsKeyArn": key}
    both = ("PrimaryRegistryBucket", "LocalRegistryBucket", "PrimaryBucketKmsKeyArn", "LocalBucketKmsKeyArn")
    return dict.fromkeys(both, "")


def _regions(site: StackSite, leader: StackSite) -> dict[str, str]:
    """The parameter that lets SNS in from the new primary's region, where the queue does not let it in yet.

    Without it the update is done, the subscription made, and every event dropped in silence (docs/regions.md).
    """
    named = [one for one in site.parameters.get("OptInRegions", "").split(",") if one]
    new = opted_in([leader.region], but=site.region)
    if "OptInRegions" not in site.parameters or {*new} <= {*named}:  # a stack of before has no such parameter
        return {}
    return {"OptInRegions": ",".join([*named, *new])}


def _checked_url(url: str | None) -> str | None:
    if url is not None and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", url):
        raise click.BadParameter("must be http(s)://host or http(s)://host:port", param_hint="--registry-url")
    return url


def _secret(site: StackSite, leader: StackSite, url: str, given: str) -> str:
    """The ARN that the site needs to read the registry at `url`.

    Raises UsageError when it is missing, and BadParameter for one that cannot be.
    """
    if not given and leader.parameters.get("LocalRegistrySecretArn"):
        return _secret_at_hand(site, leader, url)
    if not given or given == NO_SECRET:
        return ""
    if not re.fullmatch(rf"arn:aws[a-z-]*:secretsmanager:{re.escape(site.region)}:[0-9]{{12}}:secret:\S+", given):
        raise click.BadParameter(f"must be the ARN of a secret in {site.region}", param_hint="--registry-secret")
    return given


def _secret_at_hand(site: StackSite, leader: StackSite, url: str) -> str:
    """The secret that the site's stack names for this very registry, from before; raises UsageError for none."""
    kept = site.parameters.get("PrimaryRegistrySecretArn", "")
    if kept and site.parameters.get("PrimaryRegistryUrl", "").rstrip("/") == url.rstrip("/"):
        click.echo(f"{site.name} reads {url} with the secret that it has for it: {kept}", err=True)
        return kept
    raise click.UsageError(
        f"the registry of {leader.name} asks for credentials: --registry-secret ARN, of a secret in {site.region} with "
        f"credentials for {url} ({list_secrets(site.region)} lists the ARNs), or --registry-secret {NO_SECRET} if "
        f"{site.name} may read it without"
    )


def _ask(site: StackSite, leader: StackSite) -> None:
    """Ask whether to go on; raises SystemExit."""
    if site.is_primary:
        _compare_last_pushes(site, leader)
    was = " (it is a primary now)" if site.is_primary else ""
    confirm(site, f"{site.name}{was} follows {leader.name}")


def _compare_last_pushes(site: StackSite, leader: StackSite) -> None:
    """Show which of two primaries took the last push: this site's tags that both have are overwritten."""
    now_ms = site.clock.now_ms()
    for one in (site, leader):
        last = one.event_log.last(now_ms=now_ms)
        taken = f"{age(last.received_at, now_ms)} ago" if last is not None else f"more than {event_log.HOURS} h ago"
        click.echo(f"The last push that {one.name} published came {taken}.")
    click.echo(f"A tag that both have becomes what it is at {leader.name}.")


def _tell(site: StackSite, leader: StackSite, output: Format) -> None:
    tell(f"{site.name} follows {leader.name}; everything is compared.", output, name=site.name, primary=leader.name)
    if not leader.takes_reports:
        click.echo(f"{site.name} reports to nobody: the admin API of {leader.name} is private.", err=True)
    if site.sync_registry.is_paused():
        click.echo(f"{site.name} is paused, as it was before: geosync resume", err=True)
    click.echo(f"See that all is right: geosync … check --primary {leader.stack}@{leader.region}", err=True)
