"""Amazon ECR, private registries: `<account>.dkr.ecr.<region>.amazonaws.com`.

Differences: a password that AWS gives out for 12 hours; repositories that must be made before the first push; tags
with digests from ECR's own API, and deletes through it; tags that may be immutable; an index of blobs that is refused;
images in the archive, which are listed and answered with 404 ("Archiving an image").

Without a secret, the function's own role and AWS's defaults are used. With one:

    {"type": "ecr", "role_arn": "arn:aws:iam::111122223333:role/geosync", "external_id": "…",
     "create_repositories": true, "repository_tags": {"team": "geo"}, "immutable_tags": false, "scan_on_push": false,
     "kms_key": "arn:aws:kms:…"}

and, for an address that does not contain them (a proxy, a VPC endpoint of another name), `account` and `region`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import urlsplit

from geosync.errors import ConfigurationError, NotFound, OutcomeUnknown, Refused
from geosync.oci.credentials import Anonymous, Borrowed, Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag
from geosync.oci.manifests import Manifest
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
from geosync.oci.references import is_digest, is_repository, is_tag
from geosync.oci.uploads import UploadLimits
from geosync.registries.registry import Registry
from geosync.registries.secrets import SecretReader, SecretType, VendorAccess
from geosync.registries.vendors.ecr_account import EcrAccount, Place

if TYPE_CHECKING:
    from mypy_boto3_ecr.literals import ImageStatusFilterType, TagStatusType
    from mypy_boto3_ecr.type_defs import (
        CreateRepositoryRequestTypeDef,
        ImageIdentifierTypeDef,
        ListImagesFilterTypeDef,
    )

BLOB_MOUNTING = "BLOB_MOUNTING"
"""The account's setting by which a layer is mounted from another repository (ECR's user guide, "Blob mounting")."""
PAGE_SIZE = 1000
"""The most that ListImages and DescribeRepositories give at a time."""
_MIB = 1024 * 1024
_HOST = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)"
    r"\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn)"
)
_NOT_SERVED: tuple[ImageStatusFilterType, ...] = ("ARCHIVED", "ACTIVATING")
_IMMUTABLE = frozenset({"TAG_INVALID", "IMAGETAGALREADYEXISTSEXCEPTION"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EcrAccess(VendorAccess):
    """The content of a secret of the type `ecr`."""

    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    account: str | None = None
    region: str | None = None
    create_repositories: bool = True
    repository_tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    immutable_tags: bool = False
    scan_on_push: bool = False
    kms_key: str | None = None

    @classmethod
    def read(cls, reader: SecretReader) -> EcrAccess:
        """Read the secret's keys; their faults are among the reader's problems."""
        role_arn, external_id = reader.optional_text("role_arn"), reader.optional_text("external_id")
        if external_id is not None and role_arn is None:
            reader.problems.append("external_id belongs to a role_arn")
        return cls(
            role_arn=role_arn,
            external_id=external_id,
            account=reader.optional_text("account"),
            region=reader.optional_text("region"),
            create_repositories=reader.flag("create_repositories", default=True),
            repository_tags=reader.texts("repository_tags"),
            immutable_tags=reader.flag("immutable_tags"),
            scan_on_push=reader.flag("scan_on_push"),
            kms_key=reader.optional_text("kms_key"),
        )


class Ecr(Registry):
    """One account's registry in one region."""

    NAME = "ecr"
    LABEL = "Amazon ECR"
    KEEPS_A_BUCKET = False
    SECRETS: ClassVar[Mapping[str, SecretType]] = {
        "ecr": SecretType(
            keys=frozenset(EcrAccess.__dataclass_fields__),
            read=EcrAccess.read,
        )
    }
    lists_digests = True
    pushes_make_repositories = False
    # Quotas: 52,000 MiB a layer, parts of 5 to 20 MiB (Amazon ECR service quotas). After a PATCH `Range` stays at the
    # end of the first chunk whatever is stored (aws/containers-roadmap, issue 2831): the offset is our own count.
    upload_limits = UploadLimits(min_chunk=5 * _MIB, max_chunk=20 * _MIB, max_blob=52_000 * _MIB, tells_offset=False)

    def __init__(
        self,
        url: str,
        access: Credentials | VendorAccess,
        *,
        deadline: Deadline,
        writes: bool = False,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        if isinstance(access, Anonymous):
            access = EcrAccess()
        if not isinstance(access, EcrAccess):
            raise ConfigurationError("the secret of an Amazon ECR registry is of the type ecr, or there is none")
        self._access = access
        parts = urlsplit(url)
        self._account = EcrAccount(
            parts.netloc,
            _place(parts.hostname or "", access),
            role_arn=access.role_arn,
            external_id=access.external_id,
            clock=deadline.clock,
            threads=options.threads,
        )
        super().__init__(url, access, deadline=deadline, writes=writes, options=options)

    @classmethod
    def recognises(cls, host: str) -> bool:
        """Tell whether it is an address that ECR gives a private registry."""
        return _HOST.fullmatch(host) is not None

    def _credentials(self, access: Credentials | VendorAccess) -> Credentials:  # noqa: ARG002 - the account has it
        return Borrowed(borrow=self._account.borrow)

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:  # noqa: ARG002
        """Yield the tags with their digests (ListImages), 1000 at a time, in ECR's order: always from the beginning.

        Those of archived images are among them: what is archived is not gone.
        """
        for page in self._images(repository, "TAGGED", "ANY"):
            listed = [(one.get("imageTag", ""), one.get("imageDigest")) for one in page]
            yield [ListedTag(tag, digest) for tag, digest in listed if is_tag(tag)]

    def untagged_digests(self, repository: str) -> Iterator[list[str]]:
        """Yield the images without a tag (ListImages), 1000 at a time; the children of an index are among them."""
        for page in self._images(repository, "UNTAGGED", "ACTIVE"):
            yield [digest for one in page if is_digest(digest := one.get("imageDigest", ""))]

    def is_archived(self, repository: str, reference: str) -> bool:
        """Tell whether the image is in the archive, or on its way out of it (ListImages, 1000 at a time)."""
        if not self._account.knows_image_status():
            return False
        key: Literal["imageDigest", "imageTag"] = "imageDigest" if is_digest(reference) else "imageTag"
        try:
            return any(
                one.get(key) == reference
                for status in _NOT_SERVED
                for page in self._images(repository, "ANY", status)
                for one in page
            )
        except NotFound:  # the repository itself
            return False

    def _images(
        self, repository: str, tagged: TagStatusType, status: ImageStatusFilterType
    ) -> Iterator[list[ImageIdentifierTypeDef]]:
        filters: ListImagesFilterTypeDef = {"tagStatus": tagged}
        if status != "ACTIVE" and self._account.knows_image_status():  # ECR lists ACTIVE by default
            filters["imageStatus"] = status
        with self._account.calling("ecr:ListImages"):
            pages = (
                self._account.ecr()
                .get_paginator("list_images")
                .paginate(
                    registryId=self._account.place.account,
                    repositoryName=repository,
                    filter=filters,
                    PaginationConfig={"PageSize": PAGE_SIZE},
                )
            )
            for page in pages:
                self.deadline.check()
                yield page["imageIds"]

    def repositories(self, *, last: str | None = None) -> Iterator[list[str]]:
        """Yield the names of all repositories after `last`, sorted (DescribeRepositories has an order of its own)."""
        names: list[str] = []
        with self._account.calling("ecr:DescribeRepositories"):
            pages = (
                self._account.ecr()
                .get_paginator("describe_repositories")
                .paginate(registryId=self._account.place.account, PaginationConfig={"PageSize": PAGE_SIZE})
            )
            for page in pages:
                self.deadline.check()
                names += [one["repositoryName"] for one in page["repositories"]]
        names = sorted(name for name in names if is_repository(name) and name > (last or ""))
        for start in range(0, len(names), PAGE_SIZE):
            yield names[start : start + PAGE_SIZE]

    def make_repository(self, repository: str) -> bool:
        """CreateRepository, as the secret says; one that somebody else made meanwhile is success."""
        access = self._access
        if not access.create_repositories:
            return False
        request: CreateRepositoryRequestTypeDef = {
            "registryId": self._account.place.account,
            "repositoryName": repository,
            "tags": [{"Key": key, "Value": value} for key, value in access.repository_tags.items()],
            "imageTagMutability": "IMMUTABLE" if access.immutable_tags else "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": access.scan_on_push},
        }
        if access.kms_key is not None:
            request["encryptionConfiguration"] = {"encryptionType": "KMS", "kmsKey": access.kms_key}
        try:
            with self._account.calling("ecr:CreateRepository"):
                self._account.ecr().create_repository(**request)
        except Refused as error:
            if "RepositoryAlreadyExistsException" not in error.codes:
                raise
        return True

    def mounting_advice(self) -> str | None:
        """Read the account's setting of blob mounting (GetAccountSetting), off by default."""
        with self._account.calling("ecr:GetAccountSetting"):
            setting = self._account.ecr().get_account_setting(name=BLOB_MOUNTING)
        if setting.get("value") == "ENABLED":
            return None
        return (
            f"aws ecr put-account-setting --region {self._account.place.region} --name {BLOB_MOUNTING} --value ENABLED"
        )

    def delete_manifest(self, repository: str, reference: str) -> None:
        """BatchDeleteImage: a tag (the image goes with its last one), or a digest with all its tags.

        Raises Refused, naming ECR's reason, where the image must stay, because an index refers to it.
        """
        action = "ecr:BatchDeleteImage"
        with self._account.calling(action, write=True):
            failures = self._account.ecr().batch_delete_image(
                registryId=self._account.place.account,
                repositoryName=repository,
                imageIds=[{"imageDigest": reference} if is_digest(reference) else {"imageTag": reference}],
            )["failures"]
        for failure in failures:
            code = failure.get("failureCode", "")
            if code == "ImageNotFound":
                continue
            if code == "KmsError":
                raise OutcomeUnknown(self.name, action, codes=(code,), detail=failure.get("failureReason", ""))
            raise Refused(self.name, action, status=400, codes=(code,), detail=failure.get("failureReason", ""))

    def unsupported(self, manifest: Manifest) -> str | None:
        """Refuse an index of blobs, BuildKit's first form of a cache (aws/containers-roadmap, issue 876)."""
        if manifest.is_index and manifest.blobs:
            return (
                f"{self.LABEL} takes no index of blobs, as older BuildKits write their cache: export it with "
                "image-manifest=true,oci-mediatypes=true"
            )
        return None

    def refused(self, repository: str, reference: str, manifest: Manifest, error: Refused) -> Refused | None:
        """Look at an immutable tag: a PUT is refused even if the tag is right (aws/containers-roadmap, issue 2380)."""
        if not is_tag(reference) or not _IMMUTABLE.intersection(code.upper() for code in error.codes):
            return error
        there = self.head_manifest(repository, reference)
        if there is None:
            return error
        if there.digest == manifest.digest:
            return None
        detail = (
            f"the tag {reference} is immutable here and is {there.digest}, not {manifest.digest}: make the "
            "repository's tags mutable, or remove the tag"
        )
        return Refused(self.name, error.request, status=error.status, codes=error.codes, detail=detail)


def _place(host: str, access: EcrAccess) -> Place:
    """Return account and region, the secret's before those of the host's name; raises ConfigurationError."""
    found = _HOST.fullmatch(host.lower())
    account = access.account or (found.group("account") if found else None)
    region = access.region or (found.group("region") if found else None)
    if account is None or region is None:
        raise ConfigurationError(
            f"{host} is not <account>.dkr.ecr.<region>.amazonaws.com: the registry's secret (type ecr) must say "
            "account and region"
        )
    return Place(account=account, region=region)
