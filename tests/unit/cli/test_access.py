"""A command makes a client once for each service and region."""

from __future__ import annotations

from dataclasses import replace

import boto3

from geosync.cli.site import AwsAccess, StackSite


def test_one_client_for_each_service_and_region() -> None:
    access = AwsAccess(session=boto3.Session(region_name="eu-west-1"))
    site = StackSite(access=access, stack="geosync", region="eu-north-1", state="", parameters={}, outputs={})
    assert site.client("sqs") is site.client("sqs") is access.client("sqs", "eu-north-1")
    regions = [one.meta.region_name for one in (site.client("sqs"), access.client("sqs"), site.client("sqs", "x-1"))]
    assert regions == ["eu-north-1", "eu-west-1", "x-1"]
    elsewhere = replace(access, endpoint_url="http://127.0.0.1:1")
    assert elsewhere.client("sqs").meta.endpoint_url != access.client("sqs").meta.endpoint_url
