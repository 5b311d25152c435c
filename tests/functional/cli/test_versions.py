"""The version of a site is that of its stack, whichever version the command has."""

from __future__ import annotations

import json

from tests.functional.cli.conftest import Site

from geosync import __version__


def test_a_site_s_version_is_the_deployed_one_and_not_that_of_the_command(secondary: Site) -> None:
    secondary.well()
    assert f"version\t{__version__}\n" in secondary.run("status").output
    secondary.outputs["Version"] = "0.0.9"
    document = json.loads(secondary.run("status", "-o", "json").output)
    assert (document["version"], document["revision"]) == ("0.0.9", None)
    assert f"version\t0.0.9; this command is {__version__}\n" in secondary.run("status").output
    del secondary.outputs["Version"]  # of a package before the output was there
    assert json.loads(secondary.run("status", "-o", "json").output)["version"] is None
    assert "version\tnot known" in secondary.run("status").output


def test_the_fleet_has_the_version_that_the_primary_was_deployed_from(primary: Site) -> None:
    primary.outputs["Version"] = "0.0.9"
    (row,) = json.loads(primary.run("sites", "status", "-o", "json").output)
    assert (row["version"], row["revision"]) == ("0.0.9", None)
