"""Selective sync: the container repositories, and those of their tags, that a secondary replicates.

Four lists of patterns, separated by commas or white space. An empty list to include means everything. What is excluded
is out, whatever includes it. The patterns are the globs of the field (Harbor's replication filters):

    *       any characters but a slash         library/*     library/redis
    ?       one character but a slash          v?            v1
    [a-z]   one of these, [^a-z] none of them  v[0-9]*       v1.2; neither matches a slash
    **      any path components, or none       group/**      group, group/app, group/sub/app

So `group/**` is a namespace with its descendants. Events, comparison, deletes, verification and status all decide here,
by name alone, so that the answer is the same everywhere:

- a tag is selected by its repository's patterns and its own;
- a tag that belongs to a digest by its name (`sha256-<hex>`, `sha256-<hex>.sig`: see copying/referrers.py) is out
  only if a pattern excludes it, as no pattern for versions would include it: signatures come with what they sign;
- a manifest by digest is selected with its repository. Where tag patterns are set, it is copied for itself only if it
  refers to another one (`subject`), or was pushed under a selected tag that a later push overtook (`pushed_as`);
  anything else comes as a child of the tag that needs it, or is not needed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from geosync.errors import ConfigurationError
from geosync.sync_registry.items import Reference

_TAG_PATTERN = r"(?:\*|(?:\*?(?:[A-Za-z0-9._?-]|\[[!^]?[A-Za-z0-9._-]+\]))+\*?)"
_COMPONENT = r"(?:\*\*?|(?:\*?(?:[a-z0-9._?-]|\[[!^]?[a-z0-9._-]+\]))+\*?)"
_REPOSITORY_PATTERN = rf"{_COMPONENT}(?:/{_COMPONENT})*"

TAG_PATTERNS = rf"^(?:{_TAG_PATTERN}(?:[,\s]+|$))*$"
REPOSITORY_PATTERNS = rf"^(?:{_COMPONENT}(?:/(?=[^,\s])|[,\s]+|$))*$"
"""The form of a list of patterns (regular expressions; the template has the same ones)."""

_OF_A_DIGEST = re.compile(r"[a-z0-9]{1,32}-[0-9a-f]{64,128}(?:\.[a-z0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """One list of patterns, with the expression that matches any of them."""

    texts: tuple[str, ...] = ()
    expression: re.Pattern[str] = re.compile(r"(?!)")

    @classmethod
    def parse(cls, setting: str, text: str, form: str, letters: str) -> Patterns:
        """Read a list; raises ConfigurationError naming `setting` and the pattern that is not of `form`."""
        texts = tuple(text.replace(",", " ").split())
        for one in texts:
            if re.fullmatch(form, one) is None:
                raise ConfigurationError(f"{setting}: {one[:80]!r} is no pattern of {letters}")
            try:
                re.compile(_expression(one))
            except re.error as error:  # a range that runs backwards
                raise ConfigurationError(f"{setting}: {one[:80]!r} is no pattern: {error}") from None
        return cls(texts=texts, expression=re.compile("|".join(map(_expression, texts)) or r"(?!)"))

    def match(self, name: str) -> bool:
        """True if one of the patterns matches all of `name`."""
        return self.expression.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The part of the primary that a secondary replicates; the default is everything. Pure: names in, yes or no out."""

    include_repositories: Patterns = Patterns()
    exclude_repositories: Patterns = Patterns()
    include_tags: Patterns = Patterns()
    exclude_tags: Patterns = Patterns()
    superseded_images: bool = True
    """Manifests that no tag names any more are replicated, too: each digest that a push of a tag named."""

    @classmethod
    def parse(
        cls,
        *,
        include_repositories: str = "",
        exclude_repositories: str = "",
        include_tags: str = "",
        exclude_tags: str = "",
    ) -> Selection:
        """Read the four settings; raises ConfigurationError naming the setting and the pattern that is wrong."""
        repository = (
            _REPOSITORY_PATTERN,
            "lower-case letters, digits, . _ - / with *, ?, [a-z], and ** alone between slashes",
        )
        tag = (_TAG_PATTERN, "letters, digits, . _ - with *, ? and [a-z]")
        return cls(
            include_repositories=Patterns.parse("INCLUDE_REPOSITORIES", include_repositories, *repository),
            exclude_repositories=Patterns.parse("EXCLUDE_REPOSITORIES", exclude_repositories, *repository),
            include_tags=Patterns.parse("INCLUDE_TAGS", include_tags, *tag),
            exclude_tags=Patterns.parse("EXCLUDE_TAGS", exclude_tags, *tag),
        )

    @property
    def fingerprint(self) -> str:
        """A hash that differs between selections; the order of the patterns does not count."""
        lists = (self.include_repositories, self.exclude_repositories, self.include_tags, self.exclude_tags)
        text = "\n".join(" ".join(sorted(set(one.texts))) for one in lists)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def has_repository(self, repository: str) -> bool:
        """True if anything of `repository` (its name at the primary) is replicated."""
        included = not self.include_repositories.texts or self.include_repositories.match(repository)
        return included and not self.exclude_repositories.match(repository)

    def has_tag(self, repository: str, tag: str) -> bool:
        """True if `tag` of `repository` is replicated."""
        return self.has_repository(repository) and self._has_tag(tag)

    def has(self, repository: str, reference: Reference) -> bool:
        """True if a reference of `repository` is replicated, as far as its name tells (see the module on digests)."""
        if reference.kind == "tag":
            return self.has_tag(repository, reference.value)
        return self.has_repository(repository)

    def tags(self, repository: str, tags: Iterable[str]) -> list[str]:
        """The replicated ones of `tags`, in their order."""
        return [tag for tag in tags if self._has_tag(tag)] if self.has_repository(repository) else []

    @property
    def restricts_tags(self) -> bool:
        """True if some tags of a selected repository may be left out."""
        return bool(self.include_tags.texts or self.exclude_tags.texts)

    def _has_tag(self, tag: str) -> bool:
        if self.exclude_tags.match(tag):
            return False
        return not self.include_tags.texts or self.include_tags.match(tag) or _OF_A_DIGEST.fullmatch(tag) is not None


EVERYTHING = Selection()


def _expression(pattern: str) -> str:
    """The regular expression of one pattern.

    Text between two wildcards matches at its first place, without backtracking (`(?>…)`): a later place leaves the rest
    no more room. So no name that somebody chooses is scanned again for each wildcard.
    """
    first, *later = [[_component(one) for one in part] for part in _between_deep_wildcards(pattern.split("/"))]
    if not later:
        return "/".join(first)
    if first == later[-1] == [] and len(later) == 1:
        return ".+"
    made = "/".join(first)
    for number, part in enumerate(later, start=1):
        # `**/app` is `app` as well, and `group/**` is `group`.
        deep, joint = (r"(?:/[^/]++)*", "/") if made else (r"(?:[^/]++/)*", "")
        if number == len(later):
            made += deep + (joint + "/".join(part) if part else "")
        else:
            made += f"(?>{deep}?{joint}{'/'.join(part)}(?![^/]))"
    return made


def _between_deep_wildcards(components: Sequence[str]) -> list[list[str]]:
    """The components before the first `**`, between two, and behind the last one; `**/**` is `**`."""
    parts: list[list[str]] = [[]]
    for number, component in enumerate(components):
        if component != "**":
            parts[-1].append(component)
        elif components[number + 1 : number + 2] != ["**"]:
            parts.append([])
    return parts


def _component(component: str) -> str:
    """The regular expression of one component, which has no slash."""
    first, *later = [_without_stars(part) for part in component.split("*")]
    if not later:
        return first
    return first + "".join(f"(?>[^/]*?{part})" for part in later[:-1]) + "[^/]*" + later[-1]


def _without_stars(text: str) -> str:
    made = ""
    for part in re.findall(r"\[[^\[\]]+\]|.", text):
        if part == "?":
            made += "[^/]"
        elif part.startswith("["):
            negated = part[1] in "!^"
            body = part[2 if negated else 1 : -1]
            made += f"[^/{body}]" if negated else f"(?!/)[{body}]"  # the range `.-9` spans the slash
        else:
            made += re.escape(part)
    return made
