"""A secondary's status, posted to the primary's admin API, so that the primary shows all its sites."""

from __future__ import annotations

import time
from collections.abc import Mapping

import requests

from geosync.errors import ReportFailed

PATH = "/api/v4/geo/status"
TIMEOUT = 5.0
"""Seconds to connect, and to wait for an answer: the primary may be gone, which harms nothing here."""


def post(session: requests.Session, primary: str, token: bytes, site: str, status: Mapping[str, object]) -> None:
    """Post a status to the admin API at the URL `primary`; raises ReportFailed. The token is in no text."""
    try:
        answer = session.post(
            primary.rstrip("/") + PATH,
            json={"site": site, "sent_at": time.time_ns() // 1_000_000, "status": status},
            headers={"Authorization": f"Bearer {token.decode('ascii')}"},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise ReportFailed(f"the primary's admin API does not answer: {type(error).__name__}") from None
    if answer.status_code == 401:
        raise ReportFailed("the primary does not expect this site, or not with this token: geosync sites add, there")
    if answer.status_code != 202:
        raise ReportFailed(f"the primary's admin API answered {answer.status_code}")
