"""Rules of the sync: what is owed, what is written, and what proves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.conditions import Attr
from tests.simulation.broken_rules.rule import NOT_THERE, Rule, answer, instead

from geosync.comparing.looks import TagLooks
from geosync.copying.blobs import BlobMover
from geosync.copying.copy import Copier
from geosync.intake import marking
from geosync.oci.requests import Call
from geosync.oci.scopes import push
from geosync.oci.upload_verbs import UploadVerbs
from geosync.pair.capabilities import Capabilities
from geosync.pair.known_capabilities import KnownCapabilities
from geosync.sync_registry import decisions
from geosync.sync_registry.forgetting import Forgetting
from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions import discharge
from geosync.syncing.attempt import Attempt
from geosync.syncing.reference import ReferenceSync

ALWAYS = Attr("repository").exists() | Attr("repository").not_exists()
_write = ReferenceSync._write


def _without_mark(_self: object, event: Any, _glance: object) -> tuple[str, ...]:
    return (event.repository,)


def _trust_the_record(_looks: TagLooks, _owed: Owed, known: Mapping[Reference, Seen]) -> frozenset[str]:
    return frozenset(one.value for one in known)


def _believe(sync: ReferenceSync, attempt: Attempt) -> None:
    attempt.secondary = decisions.Look(attempt.primary.digest, sync._context.clock.now_ms())


def _begin_without_mount(verbs: UploadVerbs, repository: str, _mount: str | None, _source: str) -> Call:
    return Call(method="POST", target=f"/v2/{repository}/blobs/uploads/", access=(push(repository),), repeatable=True)


def _remove_and_write(sync: ReferenceSync, attempt: Attempt) -> None:
    if attempt.owed.reference.kind == "tag":
        sync._remove(attempt)
    _write(sync, attempt)


RULES: dict[str, Rule] = {
    "mark": Rule(
        says="an event is marked before its message is deleted",
        without=(instead(marking.Marking, "mark", _without_mark),),
        finds="message lost|counted EventsSkipped",
        seeds=10,
    ),
    "marked again": Rule(
        says="what was marked again meanwhile stays owed",
        without=(instead(discharge, "is_unmarked", lambda _: ALWAYS),),
        seeds=100,
        often=("push_many", "messages_twice", "late_tags", "delete_tag"),
    ),
    "settle": Rule(
        says="a look at the primary proves nothing before the settle time",
        without=(answer(decisions, "proves_primary", True),),
        finds=f"was removed, and the primary has it|{NOT_THERE}",
        first=7,
        seeds=100,
    ),
    "suspect": Rule(
        says="a look at the secondary proves nothing while a late write may land",
        without=(answer(decisions, "proves_secondary", True),),
        seeds=300,
        first=183,
        often=("overtaken_write",),
    ),
    "look": Rule(
        says="synced means seen: the secondary is looked at before a discharge",
        without=(instead(ReferenceSync, "_look_at_secondary", _believe),),
        seeds=100,
    ),
    "there": Rule(
        says="a blob that is there is not uploaded",
        without=(
            instead(UploadVerbs, "_begin", _begin_without_mount),
            answer(BlobMover, "_is_there", False),
            answer(KnownCapabilities, "__call__", Capabilities(checks_blobs=False)),
        ),
        finds="uploaded twice",
        seeds=10,
    ),
    "overwrite": Rule(
        says="a tag that moves is overwritten, and never removed before",
        without=(instead(ReferenceSync, "_write", _remove_and_write),),
        finds="was removed, and",
        seeds=20,
        often=("push_many",),
    ),
    "ours": Rule(
        says="a tag that Geosync did not put there stays",
        without=(answer(decisions, "is_ours", True),),
        finds="was removed, and is not Geosync's",
        seeds=100,
        often=("stranger",),
    ),
    "nowhere": Rule(
        says="a repository that neither registry has is no row",
        without=(answer(Forgetting, "drop", False),),
        finds="which is nowhere",
        minutes=1,
        seeds=10,
        often=("resync",),
    ),
    "habit": Rule(
        says="a habit is no proof: what is below a manifest that was taken is looked for",
        without=(answer(Copier, "_looks_below", False),),
        first=4,
        seeds=30,
        often=("change_habit",),
    ),
    "restored": Rule(
        says="a comparison looks at tags here, as a registry may come back from a backup, and nobody asks",
        without=(instead(TagLooks, "on_record", _trust_the_record),),
        finds="no rest|recovery_point|metric RecoveryPointAge",
        first=8,
        seeds=100,
        often=("back_up", "restore", "push_many"),
    ),
    "sweep": Rule(
        says="what is due and held by nobody is woken",
        without=(answer(SyncRegistry, "due_repositories", []),),
        finds="no rest",
        seeds=30,
    ),
}
