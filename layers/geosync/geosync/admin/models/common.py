"""What models share: what is asked and answered, pages, problems, actions."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Node = TypeVar("Node")

MOST_REFERENCES = 500
ReferenceName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
References = Annotated[list[ReferenceName], Field(max_length=MOST_REFERENCES)]
SiteName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]


class Answer(BaseModel):
    """What is answered has exactly the fields of its description."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(BaseModel):
    """What is asked; a field that is not known is a mistake of the sender's, and is named."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Problem(Answer):
    """Every answer that is not a success: what is wrong, and the way out."""

    message: str


class PageInfo(Answer):
    """Whether there may be more: ask again with `cursor=end_cursor`. A page may be short, or empty, before the end."""

    has_next_page: bool
    end_cursor: str | None


class Page(Answer, Generic[Node]):
    """One page of a list."""

    nodes: list[Node]
    page_info: PageInfo


class Done(Answer):
    """An action that was carried out."""

    message: str


class Enqueued(Answer):
    """An action that was taken on. `count` is null where it is not known yet; `more`: call again for the rest."""

    message: str
    count: int | None = None
    more: bool = False
