"""The package that is deployed: a folder that `make package` makes, sent to a bucket of the run's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geosync.cli.smoke.names import SmokePlace
from geosync.errors import ConfigurationError

TEMPLATE = "template-s3.yaml"
CODE = "code/"
"""Begins the keys in the bucket."""
_ZIP = re.compile(r"\$\{CodePrefix\}([A-Za-z0-9._-]+\.zip)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokePackage:
    """A folder with a template, and the names of the zips in it that the template takes code from."""

    folder: Path
    zips: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> SmokePackage:
        """Look at a folder. Raises ConfigurationError where it is no whole package."""
        template = folder / TEMPLATE
        if not template.is_file():
            raise ConfigurationError(f"there is no {TEMPLATE} in {folder}: unpack a release, and name it by --package")
        zips = tuple(sorted(set(_ZIP.findall(template.read_text(encoding="utf-8")))))
        missing = [name for name in zips if not (folder / name).is_file()]
        if missing or not zips:
            raise ConfigurationError(f"the package in {folder} is not whole: {', '.join(missing) or 'no zip'}")
        return cls(folder=folder, zips=zips)

    def send(self, place: SmokePlace, region: str) -> str:
        """Make the bucket of a region, and put the package into it; returns the template's URL."""
        s3, bucket = place.client("s3", region), place.names.bucket(place.account, region)
        where: dict[str, Any] = {} if region == "us-east-1" else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
        owned = {"Bucket": bucket, "ExpectedBucketOwner": place.account}
        s3.put_bucket_tagging(**owned, Tagging={"TagSet": place.names.tags})
        for name in (*self.zips, TEMPLATE):
            with (self.folder / name).open("rb") as content:
                s3.put_object(**owned, Key=f"{CODE}{name}", Body=content)
        return f"{s3.meta.endpoint_url}/{bucket}/{CODE}{TEMPLATE}"
