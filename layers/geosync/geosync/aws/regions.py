"""AWS's regions: their partitions, and those that an account opts in to."""

from __future__ import annotations

from collections.abc import Collection, Iterable

# fmt: off
ENABLED_BY_DEFAULT = frozenset({
    "us-east-1", "us-east-2", "us-west-1", "us-west-2",
    "ca-central-1", "sa-east-1",
    "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1",
    "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2",
    "us-gov-east-1", "us-gov-west-1",
    "cn-north-1", "cn-northwest-1",
})
"""Regions where SNS is sns.amazonaws.com: those from before March 2019, and other partitions'. The set is final.

SNS counts Osaka among the others (https://docs.aws.amazon.com/sns/latest/dg/sns-cross-region-delivery.html).
"""
CROSSED_BY_SNS = frozenset({
    "af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-northeast-3",
    "eu-south-1", "eu-south-2", "eu-central-2", "il-central-1", "me-south-1", "me-central-1",
})
"""The opt-in regions that the same page names: from and to these SNS delivers across regions. AWS adds to them."""
# fmt: on
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


def partition_of(region: str) -> str:
    """Return the partition of a region, by its name."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


def opted_in(regions: Iterable[str], *, but: str) -> list[str]:
    """Return those of the regions that an account opts in to, each once, in their order; not `but`."""
    return [region for region in dict.fromkeys(regions) if region not in ENABLED_BY_DEFAULT and region != but]


def uncrossed(regions: Collection[str]) -> list[str]:
    """Return those of two regions for which AWS documents no delivery of SNS across regions; none if they are one."""
    if len(set(regions)) < 2:
        return []
    return sorted(set(regions) - ENABLED_BY_DEFAULT - CROSSED_BY_SNS)
