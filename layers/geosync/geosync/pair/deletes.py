"""Removing one tag from the secondary: that tag and nothing else, on registries that can and that cannot delete a tag.

`DELETE manifests/<tag>` removes a tag on Distribution 3, GitLab's registry and others (distribution-spec 1.1, "Deleting
tags"). Distribution 2.8 refuses it, and its DELETE by digest takes every tag of that digest along. There the tag is
first pointed at a manifest that no other tag can have, then that digest is deleted.

sync_registry.decisions decides whether a tag may be removed at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import BlobsUnknown, OutcomeUnknown, Refused
from geosync.oci import media_types
from geosync.oci.manifests import Manifest
from geosync.oci.repository import Repository
from geosync.pair.capabilities import EMPTY, EMPTY_DIGEST
from geosync.threads import SYSTEM_THREADS, Threads

PAUSES_S = (0.1, 0.3, 0.7)
"""Seconds before a removal begins anew."""
REMOVED_TAG = "io.geosync.removed-tag"


class TagRemover:
    """Removes tags at one registry, and remembers from one holder to the next which of the two ways works."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, threads: Threads = SYSTEM_THREADS) -> None:
        self._clock = clock
        self._deletes_tags = True
        self._one_at_a_time = threads.lock()

    def remove(self, repository: Repository, tag: str, *, before_tag_write: Callable[[], None]) -> None:
        """Remove `tag` from `repository`. A tag that is not there is success.

        `before_tag_write` is called before every request that changes the tag. Raises Refused where the registry
        deletes nothing at all (then the tag is as it was), OutcomeUnknown when the tag may have been changed, and
        RegistryError for the rest.
        """
        if self._deletes_tags:
            before_tag_write()
            # 400 DIGEST_INVALID (Distribution 2.8), 405 UNSUPPORTED: not by tag. Refused for another reason, the
            # other way is refused too, and says why.
            with suppress(Refused):
                repository.delete_manifest(tag)
                return
        with self._one_at_a_time:
            self._remove_by_digest(repository, tag, before_tag_write)
        self._deletes_tags = False

    def _remove_by_digest(self, repository: Repository, tag: str, before_tag_write: Callable[[], None]) -> None:
        """Point the tag at its marker and delete that; begin again if the registry met its own concurrent write.

        Distribution 2.8 writes links in place. A DELETE that reads one just then is answered with 500 when the manifest
        is gone and its tag is not: the tag is listed for ever, and nobody can pull it. Likewise 400 for a PUT.
        """
        for pause in PAUSES_S:
            try:
                self._by_marker(repository, tag, before_tag_write)
            except (OutcomeUnknown, BlobsUnknown) as error:
                if error.status not in (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_REQUEST):
                    raise
                self._clock.sleep(pause)
            else:
                return
        self._by_marker(repository, tag, before_tag_write)

    def _by_marker(self, repository: Repository, tag: str, before_tag_write: Callable[[], None]) -> None:
        """Point the tag at its marker, and delete the marker's digest."""
        marker = removal_marker(tag)
        # Where deletes are switched off this is refused, before the tag is touched; it also takes away a marker that a
        # holder left behind when it died between the two steps.
        repository.delete_manifest(marker.digest)
        repository.put_small_blob(EMPTY_DIGEST, EMPTY)
        before_tag_write()
        repository.put_manifest(tag, marker)
        before_tag_write()
        repository.delete_manifest(marker.digest)


def removal_marker(tag: str) -> Manifest:
    """The manifest that `tag`, and no other tag, is pointed at before its digest is deleted: the same each time.

    It names the tag, so that its digest differs from that of every other tag's marker. A tag that was pushed anew in
    the meantime points elsewhere: the deletion of this digest does not touch it.
    """
    empty = {"mediaType": media_types.OCI_EMPTY, "digest": EMPTY_DIGEST, "size": len(EMPTY)}
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": empty,
        "layers": [empty],
        "annotations": {REMOVED_TAG: tag},
    }
    return Manifest.read(json.dumps(document, separators=(",", ":")).encode(), media_types.OCI_MANIFEST)
