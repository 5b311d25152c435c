"""The template of a package: its code is the zips beside it, or zips in a bucket, of one runtime and one processor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from release import PackageError

_CODE = re.compile(r"^( +)(CodeUri|ContentUri): ((?:functions|layers)/\w+)$", re.MULTILINE)
BUCKET_PARAMETERS = """\
  CodeBucket:
    Type: String
    Description: The bucket, in this stack's region, that holds the zips of the package
    AllowedPattern: "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
    ConstraintDescription: must be the name of a bucket
  CodePrefix:
    Type: String
    Description: Begins the keys of the zips in CodeBucket, such as geosync/
    Default: ""
    AllowedPattern: "([A-Za-z0-9._-]+/)*"
    ConstraintDescription: must be empty or end with a slash
"""


def code_folders(template: str) -> list[str]:
    """Return the folders that the template takes code from, such as functions/sync."""
    return sorted(found[3] for found in _CODE.finditer(template))


def with_zips_beside(template: str, zips: Mapping[str, str]) -> str:
    """Return the template with the zip of each folder in the folder's place."""
    return _CODE.sub(lambda found: f"{found[1]}{found[2]}: {zips[found[3]]}", template)


def with_zips_in_a_bucket(template: str, zips: Mapping[str, str]) -> str:
    """Return the template with two more parameters that say where the zips are. Raises PackageError."""

    def in_bucket(found: re.Match[str]) -> str:
        return f'{found[1]}{found[2]}: {{Bucket: !Ref CodeBucket, Key: !Sub "${{CodePrefix}}{zips[found[3]]}"}}'

    placed = _CODE.sub(in_bucket, template)
    return _once(r"^Parameters:\n", placed, lambda found: found[0] + BUCKET_PARAMETERS)


def built_for(template: str, *, runtime: str, architecture: str) -> str:
    """Return the template with no other runtime and processor than the code's. Raises PackageError."""
    for name, value in (("Runtime", runtime), ("Architecture", architecture)):
        template = _once(
            rf"(?P<before>^  {name}:\n(?:    .*\n)*?)    Default: .*\n"
            rf"    AllowedValues: \[(?P<known>[^]]*)\]\n    ConstraintDescription: .*\n",
            template,
            lambda found, name=name, value=value: _only(found, name, value),  # type: ignore[misc]
        )
    return template


def _only(found: re.Match[str], name: str, value: str) -> str:
    if value not in found["known"].split(", "):
        raise PackageError(f"{name} must be one of {found['known']}, not {value}")
    return (
        f"{found['before']}    Default: {value}\n    AllowedValues: [{value}]\n"
        f"    ConstraintDescription: must be {value}, which this package was built for\n"
    )


def _once(pattern: str, text: str, replacement: Callable[[re.Match[str]], str]) -> str:
    replaced, times = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    if times != 1:
        raise PackageError(f"{pattern!r} is {times} times in the template")
    return replaced
