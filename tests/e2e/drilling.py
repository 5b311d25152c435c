"""A drill as docs/operations/drills.yaml has one carried out: by the project's command, with the role's policy."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

from local import emulator
from tests.e2e.command import COMMAND
from tests.e2e.parts import PATIENCE_S, Site
from tests.support import drill_role
from tests.unit.template.parts import as_list


def by_the_schedule(site: Site, parameters: Mapping[str, str], push_secret: str) -> subprocess.CompletedProcess[str]:
    """Carry out a drill at a site as an IAM user who may do what the role may."""
    secrets = [parameters.get(f"{one}RegistrySecretArn", "") for one in ("Local", "Primary")]
    policy = drill_role.policy(
        stack=site.about["stack"],
        region=site.about["region"],
        account=emulator.ACCOUNT,
        secrets=[*filter(None, secrets), push_secret],
    )
    key = emulator.make_user(site.stack.emulator, f"drill-{uuid.uuid4().hex[:8]}", _as_the_emulator_reads_it(policy))
    environment = site.stack.emulator.environment() | {name.upper(): value for name, value in key.items()}
    environment |= {"PATH": f"{COMMAND.parent}:{environment['PATH']}", "AWS_REGION": site.about["region"]}
    environment |= {"SITE_STACK": site.about["stack"], "REPOSITORY": "geosync-drill", "PUSH_SECRET": push_secret}
    (command,) = drill_role.build_phases()["build"]
    return subprocess.run(
        ["sh", "-ec", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _as_the_emulator_reads_it(policy: dict[str, Any]) -> dict[str, Any]:
    """Widen the CloudFormation statements to all stacks and change sets (`stack-permissions` in local/README.md)."""
    for one in policy["Statement"]:
        if as_list(one["Action"])[0].startswith("cloudformation:"):
            one["Resource"] = "*"
            one.pop("Condition", None)
    return policy
