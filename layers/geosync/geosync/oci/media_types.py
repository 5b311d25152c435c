"""Media types of manifests (OCI image-spec 1.1, "Media Types"; Docker image manifest v2, schema 1 and 2)."""

from __future__ import annotations

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_ARTIFACT_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
SCHEMA1 = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST, OCI_ARTIFACT_MANIFEST}) | INDEXES | SCHEMA1

#: The complete Accept. With less, Distribution 2.8 converts to schema 1 under another digest or answers 404; the signed
#: schema 1 comes last, so that a registry that goes by the order gives it only where there is nothing else.
ACCEPT = ", ".join(
    (
        OCI_INDEX,
        DOCKER_LIST,
        OCI_MANIFEST,
        DOCKER_MANIFEST,
        OCI_ARTIFACT_MANIFEST,
        DOCKER_SCHEMA1_SIGNED,
        DOCKER_SCHEMA1,
    )
)


def is_manifest(media_type: str) -> bool:
    """Tell whether this is the media type of a manifest or an index; every other one is a blob's."""
    return media_type in MANIFESTS


def is_index(media_type: str) -> bool:
    """Tell whether this is an OCI index or a Docker manifest list."""
    return media_type in INDEXES


def essence(content_type: str | None) -> str:
    """Return a Content-Type without its parameters, in lower case; empty when there is none."""
    return (content_type or "").partition(";")[0].strip().lower()
