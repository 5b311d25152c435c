"""What comparisons found missing or extra, and the breaker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from geosync.admin.models.common import Answer, References, Request


class Finding(Answer):
    """What the last comparison of a repository found besides: tags missing at the primary, and extra ones here.

    Without those that an operator adopted or kept since.
    """

    id: int | None = Field(description="The container repository's, for adopt and keep.")
    name: str
    found_at: str | None = Field(description="null: nothing is missing or extra.")
    tags_count: int = Field(description="Tags that Geosync put here, or saw equal.")
    missing_count: int
    missing: list[str] = Field(description="At most 50 of them.")
    extra_count: int
    extra: list[str] = Field(description="At most 50 of them.")
    gone: bool = Field(description="The primary does not know the repository at all.")


class TagsOf(Request):
    """Tags of a repository; none named: all."""

    tags: References = Field(default=[])


class Deletes(Answer):
    """The breaker: suspended when so much is missing at the primary that the primary is the one to be doubted."""

    policy: Literal["propagate", "keep"] = Field(description="keep: this site removes nothing (the parameter Deletes).")
    suspended: bool
    suspended_at: str | None
    reason: str | None
