"""JSON of all that a site has: one dialect for the command and the admin API.

Names and words of states are GitLab's where it has them. Moments are RFC 3339 in UTC (`…_at`, `…_since`), durations
`…_seconds`; null is not known, which is not 0. The fields are those of the models in admin/resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geosync.clock import in_utc, moment, optional_moment
from geosync.messages.event_number import event_number
from geosync.operating.audit_words import summary
from geosync.operating.dead_letters import DeadLetter
from geosync.operating.owed_references import OwedReference
from geosync.operating.repositories import RowDetail, TagState
from geosync.operating.sites_repositories import ReportedRepository
from geosync.sync_registry.items import Owed, Row
from geosync.sync_registry.site.breaker import State
from geosync.sync_registry.site.findings import Finding

STATES = ("pending", "started", "synced", "failed")
VERIFICATION_STATES = ("pending", "started", "succeeded", "failed", "disabled")
"""GitLab's words for the states of a row: each at the place that is its number."""


def repository_fields(row: Row) -> dict[str, Any]:
    """A row of the sync registry; its name is the repository's at the primary."""
    return {
        "id": row.id,
        "container_repository_id": row.container_repository_id,
        "model_record_id": row.container_repository_id,
        "name": row.repository,
        "state": STATES[int(row.state)],
        "retry_count": row.retry_count,
        "retry_at": optional_moment(row.retry_at),
        "last_sync_failure": row.last_sync_failure,
        "last_synced_at": optional_moment(row.last_synced_at),
        "created_at": optional_moment(row.created_at),
        "missing_on_primary": row.missing_on_primary,
        "verification_state": VERIFICATION_STATES[int(row.verification_state)],
        "verification_started_at": optional_moment(row.verification_started_at),
        "verified_at": optional_moment(row.verified_at),
        "verification_retry_at": optional_moment(row.verification_retry_at),
        "verification_retry_count": row.verification_retry_count,
        "verification_failure": row.verification_failure,
        "verification_checksum": row.verification_checksum,
        "verification_checksum_mismatched": row.verification_checksum_mismatched,
        "checksum_mismatch": row.checksum_mismatch,
        "measured_tags_count": row.measured.tags if row.measured is not None else None,
        "measured_total_size": row.measured.size_bytes if row.measured is not None else None,
        "measured_at": optional_moment(row.measured.at) if row.measured is not None else None,
    }


def repository_detail_fields(detail: RowDetail) -> dict[str, Any]:
    """One repository: its row, and how much is owed in it and known of it."""
    return {
        **repository_fields(detail.row),
        "held": detail.row.leased(detail.at),
        "owed_count": len(detail.owed),
        "failed_count": detail.failed,
        "more_owed": detail.more_owed,
        "tags_count": detail.tags,
        "more_tags": detail.more_tags,
        "total_size": detail.size_bytes,
        "lag_seconds": lag_seconds(detail.owed_since, detail.at),
    }


def owed_fields(owed: Owed | OwedReference, now_ms: int) -> dict[str, Any]:
    """A reference that is owed at `now_ms` (ms). `retry_at` is null while it is parked.

    Of an item that cannot be read, neither its age nor its attempts are known.
    """
    return {
        "reference": str(owed.reference),
        "owed_since": optional_moment(owed.owed_since),
        "lag_seconds": lag_seconds(owed.owed_since, now_ms) if owed.owed_since is not None else None,
        "attempts": owed.attempts,
        "retry_at": optional_moment(owed.due),
        "failure": owed.failure,
        "parked": owed.parked,
    }


def lag_seconds(since: int | None, now_ms: int) -> int:
    """The whole seconds from a moment to another one (ms); 0 where there is none."""
    return max(now_ms - since, 0) // 1000 if since is not None else 0


_NOTHING_OWED: dict[str, Any] = {
    "state": "synced",
    "owed_since": None,
    "lag_seconds": 0,
    "attempts": 0,
    "retry_at": None,
    "failure": None,
    "parked": False,
}
"""Fields of a tag that is not owed."""


def tag_fields(tag: TagState, now_ms: int) -> dict[str, Any]:
    """A tag on both sides at `now_ms` (ms), as far as it is known without asking a registry."""
    seen = tag.seen
    return {
        "name": tag.name,
        "primary_digest": tag.primary_digest,
        "secondary_digest": tag.secondary_digest,
        "total_size": tag.size_bytes,
        "looked_at": optional_moment(seen.looked_at) if seen is not None else None,
        "seen_at": optional_moment(seen.seen_at) if seen is not None else None,
        "missing_since": optional_moment(seen.missing_since) if seen is not None else None,
        **(_NOTHING_OWED if tag.owed is None else _owed_of_tag(tag.owed, now_ms)),
    }


def _owed_of_tag(owed: Owed, now_ms: int) -> dict[str, Any]:
    fields = owed_fields(owed, now_ms)
    del fields["reference"]
    return {"state": "failed" if owed.failure is not None else "pending", **fields}


def finding_fields(found: Finding, number: int | None) -> dict[str, Any]:
    """The findings of the last comparison of a repository; `number` is the container repository's id."""
    dismissed = found.dismissed
    return {
        "id": number,
        "name": found.repository,
        "found_at": moment(found.found_at) if found.found_at else None,
        "tags_count": found.of,
        "missing_count": found.missing,
        "missing": list(found.missing_names),
        "outside_count": found.outside,
        "outside": list(found.outside_names),
        "extra_count": found.extra,
        "extra": list(found.extra_names),
        "gone": found.gone,
        "dismissed_at": moment(dismissed.at) if dismissed is not None else None,
        "dismissed_by": dismissed.by if dismissed is not None else None,
        "dismissed_because": dismissed.reason if dismissed is not None else None,
    }


def deletes_fields(state: State, *, policy: str, outside_selection: str) -> dict[str, Any]:
    """The breaker of deletes by comparison, and what the site's parameters say of these (`Deletes` is the policy)."""
    return {
        "policy": policy,
        "outside_selection": outside_selection,
        "suspended": state.suspended,
        "suspended_at": optional_moment(state.suspended_at),
        "reason": state.reason,
        "doubted_at": optional_moment(state.doubted_at),
        "doubt": state.doubt,
    }


def letter_fields(letter: DeadLetter) -> dict[str, Any]:
    """A message of the dead-letter queue."""
    return {
        "id": letter.id,
        "kind": letter.kind,
        "about": letter.about,
        "reason": letter.reason,
        "sent_at": moment(letter.sent_at),
        "goes_to": letter.goes_to,
    }


def event_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the event log; of one that could not be used what its sender claimed."""
    claims = entry.get("claims") or {}
    return {
        "id": event_number(entry["id"], entry["received_at"]),
        "sender_id": entry["id"],
        "outcome": str(entry.get("outcome", "")),
        "event_name": entry.get("event_name"),
        "replicable_name": entry.get("replicable_name"),
        "repository": entry.get("repository") or claims.get("repository"),
        "tag": entry.get("tag") or claims.get("tag"),
        "digest": entry.get("digest") or claims.get("digest"),
        "media_type": entry.get("media_type"),
        "source": entry.get("source"),
        "correlation_id": entry.get("correlation_id"),
        "reason": entry.get("reason"),
        "occurred_at": in_utc(entry.get("occurred_at")),
        "created_at": moment(entry["received_at"]),
    }


def audit_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the audit log."""
    return {
        "id": entry["id"],
        "action": str(entry.get("action", "")),
        "who": str(entry.get("who", "")),
        "outcome": str(entry.get("outcome", "")),
        "status": entry.get("status"),
        "summary": summary(entry),
        "repository": entry.get("repository"),
        "detail": entry.get("detail") or None,
        "source": entry.get("source") or None,
        "count": entry.get("count", 1),
        "created_at": moment(entry["received_at"]),
    }


def reported_repository_fields(repository: ReportedRepository) -> dict[str, Any]:
    """A repository of the primary, and what its sites reported of it; `known` is null where a site has not told yet."""
    return {
        "name": repository.name,
        "sites": [
            {
                "site": one.site,
                "reported_at": optional_moment(one.at),
                "known": one.row is not None if one.at is not None else None,
                "state": STATES[int(one.row.state)] if one.row is not None else None,
                "verification_state": (
                    VERIFICATION_STATES[int(one.row.verification_state)] if one.row is not None else None
                ),
                "last_synced_at": optional_moment(one.row.last_synced_at) if one.row is not None else None,
            }
            for one in repository.sites
        ],
    }
