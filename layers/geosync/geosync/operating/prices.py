"""AWS's list prices that Geosync reckons with, in one place: US dollars, us-east-1, on demand, without free tier."""

from __future__ import annotations

LISTED = "2025"
"""The year of the lists."""

API_REQUEST = 3.50 / 1_000_000
LAMBDA_REQUEST = 0.20 / 1_000_000
LAMBDA_GB_S = 13.3334 / 1_000_000
"""A second of a function with a GB of memory, on arm64."""
LAMBDA_X86_64_GB_S = 16.6667 / 1_000_000
SNS_MESSAGE = 0.50 / 1_000_000
SQS_REQUEST = 0.40 / 1_000_000
DYNAMODB_READ = 0.125 / 1_000_000
DYNAMODB_WRITE = 0.625 / 1_000_000
DYNAMODB_GB_MONTH = 0.25
DYNAMODB_PITR_GB_MONTH = 0.20
"""Point-in-time recovery, of each GB of the table and its local indexes."""
LOGS_GB = 0.50
REGION_TO_REGION_GB = 0.02
# An idle month, which docs/costs.md adds up, has these as well.
SECRET_CALL = 0.05 / 10_000
SECRET_MONTH = 0.40
METRIC_MONTH = 0.30
ALARM_MONTH = 0.10
DASHBOARD_MONTH = 3.00
SCHEDULED_INVOCATION = 1.00 / 1_000_000
