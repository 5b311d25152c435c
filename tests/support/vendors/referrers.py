"""A registry with the referrers API of distribution-spec 1.1, in front of one that has none."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from dataclasses import replace
from typing import Any

from tests.support.images import digest_of
from tests.support.scripted import Reply, Request
from tests.support.vendors.double import VendorDouble

from geosync.oci import media_types

_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
_REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>[^/]+)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FALLBACK_TAG = re.compile(r"sha256-[0-9a-f]{64}")


class ReferrersDouble(VendorDouble):
    """Lists what is pushed through it with a subject; `answers` of some digests may be set to something else."""

    def __init__(self, registry: str) -> None:
        super().__init__(registry)
        self.answers: dict[str, Reply] = {}
        self._listed: defaultdict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        self._state = threading.Lock()

    def answer(self, request: Request) -> Reply:
        if (found := _REFERRERS.fullmatch(request.path)) is not None:
            return self._list(request, found["name"], found["digest"])
        answer = self.forward(request)
        found = _MANIFEST.fullmatch(request.path)
        if found is None or request.method != "PUT" or answer.status != 201:
            return answer
        if _FALLBACK_TAG.fullmatch(found["reference"]):
            # "Pushing Manifests with Subject": a client that sees OCI-Subject does not keep the list itself.
            self.break_rule(f"{found['reference']}: a fallback tag where there is a referrers API")
        document = json.loads(request.body)
        subject = document.get("subject")
        if subject is None:
            return answer
        entry = {
            "mediaType": document["mediaType"],
            "digest": digest_of(request.body),
            "size": len(request.body),
            "artifactType": document.get("artifactType") or document["config"]["mediaType"],
        }
        with self._state:
            self._listed[found["name"], subject["digest"]][entry["digest"]] = entry
        return replace(answer, headers=[*answer.headers, ("OCI-Subject", subject["digest"])])

    def _list(self, request: Request, name: str, digest: str) -> Reply:
        """An index, an empty one too, two to a page ("Listing Referrers")."""
        if request.method != "GET" or not _DIGEST.fullmatch(digest):
            self.break_rule(f"{request.method} {request.target}: only GET, and only of a digest")
        if digest in self.answers:
            return self.answers[digest]
        with self._state:
            listed = sorted(self._listed[name, digest].values(), key=lambda one: str(one["digest"]))
        last = request.target.partition("last=")[2]
        page = [one for one in listed if one["digest"] > last][:2]
        links = []
        if page and page[-1] != listed[-1]:
            links = [("Link", f'</v2/{name}/referrers/{digest}?last={page[-1]["digest"]}>; rel="next"')]
        index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": page}
        return replace(self.document(index), headers=[("Content-Type", media_types.OCI_INDEX), *links])
