"""The values of the sync registry and the items they are read from.

One partition per container repository:
```
row                                  the repository's row: console fields, revision, lease, suspect_until
owed#tag#v1  owed#digest#sha256:…    a reference that is owed
owed#*                               the whole repository is owed, page by page behind `cursor`
tag#v1       digest#sha256:…         what was seen of a discharged reference
differs#v1                           a tag that a verification saw differ (suspects.py)
upload#sha256:… half#sha256:…        a layer under way (uploads.py); a copy left half (half_copies.py)
```
and the partition `#site` for what concerns all of them: `pause`, `hold#<registry>`, `counter#…`. Times are integer
milliseconds since the epoch. Attributes not known here are ignored and missing ones take their defaults, so that rows
of older and newer versions can be read; an attribute that is there and not what it must be raises CorruptItem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from geosync.sync_registry.counted import Counted
from geosync.sync_registry.measured import MeasuredTags
from geosync.sync_registry.table.attributes import AttributeReader, texts

Item: TypeAlias = Mapping[str, Any]
"""An item as the stores give it: text, int, bool, frozenset of text; numbers are never Decimal."""

ROW, SITE = "row", "#site"
OWED_PREFIX, TAG_PREFIX, DIFFERS_PREFIX = "owed#", "tag#", "differs#"

ABSENT = "absent"
"""In `expects`: an event said that the reference was deleted."""
UNNAMED = "unnamed"
"""In `expects`: an event spoke of the reference without naming a digest, so that no answer is exactly it."""

MISSING = "missing"
"""In `if_absent`: comparisons did not find the tag at the primary; the secondary's may go, if the breaker allows it."""
ADOPT = "adopt"
"""In `if_absent`: an operator said that the secondary's tag is Geosync's, whoever put it there; it may go."""
KEEP = "keep"
"""In `if_absent`: an operator said that the secondary's tag stays, as one that Geosync did not put there."""
OUTSIDE = "outside"
"""In `if_absent`: comparisons found it outside the selection; it may go if it still is and the breaker allows it."""

EVERYTHING = "*"
"""In `distrust`: too many to name."""

PARKED_DUE_MS = 253_402_300_799_000
"""The `due` of a parked reference (the end of the year 9999): in the index, so that it is counted, and never due."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A tag, a manifest by digest, or (`*`) the whole repository."""

    kind: Literal["tag", "digest", "repository"]
    value: str

    @classmethod
    def tag(cls, name: str) -> Reference:
        """Name a tag."""
        return cls("tag", name)

    @classmethod
    def digest(cls, digest: str) -> Reference:
        """Name a manifest by its digest."""
        return cls("digest", digest)

    @classmethod
    def whole(cls) -> Reference:
        """Name the whole repository."""
        return cls("repository", "*")

    @classmethod
    def from_key(cls, key: str) -> Reference | None:
        """The reference of a sort key (`owed#tag#v1`, `tag#v1`, `owed#*`), None when the key speaks of none."""
        rest = key.removeprefix(OWED_PREFIX)
        if rest == "*":
            return cls.whole()
        kind, separator, value = rest.partition("#")
        if not separator or not value:
            return None
        return cls.tag(value) if kind == "tag" else cls.digest(value) if kind == "digest" else None

    @property
    def seen_key(self) -> str:
        """The sort key of what was seen: `tag#v1`, `digest#sha256:…`."""
        return "*" if self.kind == "repository" else f"{self.kind}#{self.value}"

    @property
    def owed_key(self) -> str:
        """The sort key of what is owed: `owed#tag#v1`, `owed#digest#sha256:…`, `owed#*`."""
        return OWED_PREFIX + self.seen_key

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A reference as it was when it was discharged: the item `tag#v1` or `digest#sha256:…`.

    `looked_at` is the moment (ms) before the primary was asked, `seen_at` before the secondary was. `unannounced`: a
    comparison found it different, and no event has announced it since; `suspected`: whether its notification was lost
    is not decided; `counted_lost`: it was, and came later (site/suspected.py). `missing_since`, `outside_since`: when a
    comparison first found the tag gone from the primary, or outside the selection; else None. `gone_since`: when a
    holder first proved that the primary lacks the tag, while the secondary's stays; None once it was seen equal again.
    Comparisons do not read it. `size_bytes` of the image: None where no copy read it. It is stored with its digest
    (`sized`): whoever sees another digest and no size leaves both. `announced_at`: the last look that answered an event
    of this digest, where `looked_at` was only asked for; else None. It is stored with that `looked_at` (`asked_at`), as
    older releases change `looked_at` alone.
    """

    digest: str
    looked_at: int
    seen_at: int
    unannounced: bool = False
    suspected: bool = False
    counted_lost: bool = False
    missing_since: int | None = None
    outside_since: int | None = None
    gone_since: int | None = None
    size_bytes: int | None = None
    announced_at: int | None = None

    @property
    def answered_at(self) -> int:
        """The last look (ms) that may have answered an event of this digest, 0: none did."""
        return self.announced_at if self.announced_at is not None else self.looked_at

    @classmethod
    def from_item(cls, item: Item) -> Seen:
        """Read a `tag#…` or `digest#…` item."""
        read, is_answered = AttributeReader(item), item.get("asked_at") == item.get("looked_at")
        return cls(
            digest=read.text("digest", ""),
            looked_at=read.number("looked_at", 0),
            seen_at=read.number("seen_at", 0),
            unannounced=read.flag("unannounced"),
            suspected=read.flag("suspected"),
            counted_lost=read.flag("counted_lost"),
            missing_since=read.optional_number("missing_since"),
            outside_since=read.optional_number("outside_since"),
            gone_since=read.optional_number("gone_since"),
            size_bytes=read.optional_number("size_bytes") if item.get("sized") == item.get("digest") else None,
            announced_at=read.optional_number("announced_at") if is_answered else None,
        )

    @classmethod
    def under(cls, primary: str | None, item: Item | None) -> Seen | None:
        """Read an item if there is one and it was seen under `primary` (None: under whichever).

        What was seen under another primary says nothing of this one: neither whose the tag is, nor that it is equal.
        """
        if item is None or (primary is not None and item.get("primary", "") != primary):
            return None
        return cls.from_item(item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One owed reference.

    `mark` changes with every mark; `expects` holds the digests that events named since the reference is owed (and
    ABSENT, UNNAMED), empty when nobody named anything (backfill, resync). `marked_at` is the latest mark; `owed_since`
    the first, or that of the whole repository with which it became owed. `due` is None while parked. `failure` is None
    unless an attempt failed since the last mark. `seen` is the reference's `tag#…` or `digest#…` item (None: never seen
    equal), `seen_digest` its digest under any primary: `look` and `due` fill them in. `distrust` holds the digests of
    blobs and manifests below it that verification found missing or wrong here (or EVERYTHING): they are brought anew,
    whatever the secondary says of them (copying/repair.py). `pushed_at`, `told_at`, `differs_since`: see pushes.py.
    `walk` names the comparison that made it owed (Walk.started_at). `unannounced`: that one found it different, and no
    event spoke of it since. `asked`: an operator, verification or a pull wants it. `if_absent` (MISSING, ADOPT, KEEP)
    says what may become of the secondary's tag if the primary lacks it, beside what `expects` says; OUTSIDE and KEEP,
    if the selection does. `named` holds the digests of all pushes that it stands for, under any primary. `pushed_as`:
    the tag under which an overtaken manifest was pushed; None: by digest.
    """

    repository: str
    reference: Reference
    mark: str
    expects: frozenset[str] = frozenset()
    marked_at: int
    owed_since: int
    due: int | None
    attempts: int = 0
    failure: str | None = None
    failed_at: int | None = None
    parked: bool = False
    cursor: str | None = None
    correlation_id: str | None = None
    distrust: frozenset[str] = frozenset()
    pushed_at: int = 0
    told_at: int | None = None
    walk: int | None = None
    unannounced: bool = False
    differs_since: int | None = None
    if_absent: frozenset[str] = frozenset()
    copied: frozenset[str] = frozenset()  # digests it began to put, if nothing else tells (decisions.is_to_be_noted)
    half_copied: frozenset[str] = frozenset()  # the same under another primary: none is its own, half may be here
    deaths: int = 0  # holders that vanished while they worked on it, since it was last marked
    doubts: int = 0  # attempts that found what may pass, since it was marked: wrong content, a child that is absent
    absences: int = 0  # the doubts about a child that the primary lacks; a former version counted all as such
    unanswered: bool = False  # a registry did not answer a write of it since it was marked, and was held
    seen: Seen | None = None
    named: frozenset[str] = frozenset()
    pushed_as: str | None = None
    renamed_to: str | None = None  # the name under which the primary has the whole repository now
    asked: bool = False
    seen_digest: str | None = None
    shown: str | None = None  # the digest that a holder saw at both registries since `shown_by`, and could not prove
    shown_at: int = 0  # the moment before it asked the primary
    shown_by: str | None = None  # the mark that it had read before; another `mark` since then tells of more

    @property
    def worked_on(self) -> bool:
        """Somebody postponed or failed it since it was last marked."""
        return self.due is None or self.due > self.marked_at

    @classmethod
    def from_item(cls, item: Item, seen: Seen | None = None, *, primary: str | None = None) -> Owed:
        """Read an `owed#…` item; raises CorruptItem naming the repository, the item and the attribute.

        Of one that was marked under another primary than `primary` it counts only that the reference is owed.
        """
        named, half_copied = named_in(item), texts(item, "half_copied")
        if primary is not None and item.get("primary", primary) != primary:
            half_copied |= texts(item, "copied") | named  # the copy of what an event named is not noted
            item = {name: item[name] for name in item.keys() - {"expects", "if_absent", "copied", "cursor", "shown"}}
        read = AttributeReader(item)
        reference = Reference.from_key(read.text("item"))
        if reference is None:
            raise read.corrupt("item", "is not the key of a reference")
        marked_at, parked = read.number("marked_at"), read.flag("parked")
        owed_since, doubts = read.number("owed_since", marked_at), read.number("doubts", 0)
        return cls(
            repository=read.text("repository"),
            reference=reference,
            mark=read.text("mark"),
            expects=read.texts("expects"),
            marked_at=marked_at,
            owed_since=owed_since,
            due=None if parked else read.number("due", marked_at),
            attempts=read.number("attempts", 0),
            failure=read.optional_text("failure"),
            failed_at=read.optional_number("failed_at"),
            parked=parked,
            cursor=read.optional_text("cursor"),
            correlation_id=read.optional_text("correlation_id"),
            distrust=read.texts("distrust"),
            pushed_at=read.number("pushed_at", owed_since),
            told_at=read.optional_number("told_at"),
            walk=read.optional_number("walk"),
            unannounced=read.flag("unannounced"),
            differs_since=read.optional_number("differs_since"),
            if_absent=read.texts("if_absent"),
            copied=read.texts("copied"),
            half_copied=half_copied,
            deaths=read.number("deaths", 0),
            doubts=doubts,
            absences=min(read.number("absences", doubts), doubts),
            unanswered=read.flag("unanswered"),
            seen=seen,
            named=named,
            pushed_as=read.optional_text("pushed_as"),
            renamed_to=read.optional_text("renamed_to"),
            asked=read.flag("asked"),
            shown=read.optional_text("shown"),
            shown_at=read.number("shown_at", 0),
            shown_by=read.optional_text("shown_by"),
        )


def named_in(item: Item) -> frozenset[str]:
    """The digests that pushes named in an owed item, under whichever primary, as far as it can be read."""
    return texts(item, "expects") - {ABSENT, UNNAMED}


PENDING, STARTED, SYNCED, FAILED = "0", "1", "2", "3"
"""The states of a row."""
VERIFICATION_PENDING, VERIFICATION_STARTED, VERIFICATION_SUCCEEDED = "0", "1", "2"
VERIFICATION_FAILED, VERIFICATION_DISABLED = "3", "4"
"""The verification states of a row; disabled is that of a row that has none, as only what is synced is verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A container repository's row: the console's fields, and what the protocol keeps beside them.

    `id` and `container_repository_id` are None until the counter gave one. `last_synced_at` is the start of the last
    attempt; `is_first_hold`: it was the first. `lease_token` and `lease_expires` are None when nobody holds it. It
    counts as `state_counted` and `verification_counted` (site/counters.py). `renamed_from`: its former name, of whose
    blobs it mounts. `working_on`: what its holder is at (`Reference.seen_key`); `deaths`: holders that vanished.
    """

    repository: str
    id: int | None = None
    container_repository_id: int | None = None
    state: str = PENDING
    retry_count: int = 0
    retry_at: int | None = None
    last_sync_failure: str | None = None
    last_synced_at: int | None = None
    created_at: int | None = None
    missing_on_primary: bool = False
    verification_state: str = VERIFICATION_DISABLED
    verification_started_at: int | None = None
    verified_at: int | None = None
    verification_retry_at: int | None = None
    verification_retry_count: int = 0
    verification_failure: str | None = None
    verification_checksum: str | None = None
    verification_checksum_mismatched: str | None = None
    checksum_mismatch: bool = False
    state_counted: str | None = None
    verification_counted: str | None = None
    revision: int = 0
    lease_token: str | None = None
    lease_expires: int | None = None
    suspect_until: int = 0
    renamed_from: str | None = None
    is_first_hold: bool = False
    working_on: frozenset[str] = frozenset()
    deaths: int = 0
    measured: MeasuredTags | None = None

    @property
    def counted(self) -> Counted:
        """The values that the site's counters count it as."""
        return Counted(state=self.state_counted, verification=self.verification_counted)

    def leased(self, now_ms: int) -> bool:
        """Somebody holds the repository at `now_ms`."""
        return self.lease_token is not None and self.lease_expires is not None and self.lease_expires > now_ms

    @classmethod
    def from_item(cls, item: Item) -> Row:
        """Read the item `row`; raises CorruptItem naming the repository and the attribute."""
        read = AttributeReader(item)
        token, expires = read.optional_text("lease_token"), read.optional_number("lease_expires")
        if (token is None) != (expires is None):
            raise read.corrupt("lease_token" if token is None else "lease_expires", "is missing beside the other half")
        return cls(
            repository=read.text("repository"),
            id=read.optional_number("id"),
            container_repository_id=read.optional_number("container_repository_id"),
            state=read.one_of("state", "0123", PENDING),
            retry_count=read.number("retry_count", 0),
            retry_at=read.optional_number("retry_at"),
            last_sync_failure=read.optional_text("last_sync_failure"),
            last_synced_at=read.optional_number("last_synced_at"),
            created_at=read.optional_number("created_at"),
            missing_on_primary=read.flag("missing_on_primary"),
            verification_state=read.one_of("verification_state", "01234", VERIFICATION_DISABLED),
            verification_started_at=read.optional_number("verification_started_at"),
            verified_at=read.optional_number("verified_at"),
            verification_retry_at=read.optional_number("verification_retry_at"),
            verification_retry_count=read.number("verification_retry_count", 0),
            verification_failure=read.optional_text("verification_failure"),
            verification_checksum=read.optional_text("verification_checksum"),
            verification_checksum_mismatched=read.optional_text("verification_checksum_mismatched"),
            checksum_mismatch=read.flag("checksum_mismatch"),
            state_counted=read.optional_text("state_counted"),
            verification_counted=read.optional_text("verification_counted"),
            revision=read.number("revision", 0),
            lease_token=token,
            lease_expires=expires,
            suspect_until=read.number("suspect_until", 0),
            renamed_from=read.optional_text("renamed_from"),
            working_on=read.texts("working_on"),
            is_first_hold=read.number("first_held_at", -1) == read.optional_number("last_synced_at"),
            deaths=read.number("deaths", 0),
            measured=MeasuredTags.read(read),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The lease of a holder, who gets a new one from each transition.

    `renewed_at` (monotonic seconds of this process) is from before the renewal was sent; `expires` is in ms. A look at
    the secondary before `suspect_until` proves nothing. `revision`, `state` and `counted` are the row's at the last
    write under the lease: a knock may have changed the state since. `listed`: the row has its id, and is counted.
    `is_first`: nobody held it before. `working_on` (keys) and `deaths` are of holders that vanished just before.
    """

    repository: str
    token: str
    revision: int
    suspect_until: int
    renewed_at: float
    expires: int
    state: str = STARTED
    counted: Counted = field(default_factory=Counted)
    listed: bool = False
    renamed_from: str | None = None
    is_first: bool = False
    working_on: frozenset[str] = frozenset()
    deaths: int = 0
