"""The errors that are no fault of the program, as the one line that the command ends with."""

from __future__ import annotations

import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from geosync.cli.output import CANNOT_TELL
from geosync.errors import GeosyncError


class _Failure(click.ClickException):
    exit_code = CANNOT_TELL


def failure(error: Exception) -> click.ClickException | None:
    """Return how the command ends after an error of ours, of AWS or of the system; None for a fault of the program."""
    if isinstance(error, NoRegionError):
        return _Failure("which region? --region REGION, AWS_REGION, or a profile that has one")
    if isinstance(error, NoCredentialsError):
        return _Failure("there are no credentials for AWS: --profile PROFILE, or what aws configure makes")
    if isinstance(error, GeosyncError | BotoCoreError | ClientError | OSError):
        return _Failure(str(error))
    return None
