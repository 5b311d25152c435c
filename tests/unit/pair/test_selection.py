import re

import pytest

from geosync.errors import ConfigurationError
from geosync.pair.selection import REPOSITORY_PATTERNS, TAG_PATTERNS, Selection
from geosync.pair.settings import SyncSettings
from geosync.settings import read
from geosync.sync_registry.items import Reference

HEX = "0123456789abcdef" * 4


def of(include: str = "", exclude: str = "") -> Selection:
    return Selection.parse(include_repositories=include, exclude_repositories=exclude)


def of_tags(include: str = "", exclude: str = "") -> Selection:
    return Selection.parse(include_tags=include, exclude_tags=exclude)


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("library/redis", ["library/redis"], ["library/redis2", "library", "a/library/redis", "library/redis/x"]),
        ("library/*", ["library/redis", "library/a.b-c"], ["library", "library/a/b", "other/redis"]),
        ("*", ["redis"], ["library/redis"]),
        ("**", ["redis", "library/redis", "a/b/c/d"], []),
        ("group/**", ["group", "group/app", "group/sub/app"], ["groups", "groups/app", "my/group/app"]),
        ("**/app", ["app", "group/app", "group/sub/app"], ["group/my-app", "group/app/x"]),
        ("group/**/app", ["group/app", "group/a/app", "group/a/b/app"], ["group", "app", "group/a/apps"]),
        ("**/cache/**", ["cache", "a/cache", "cache/b", "a/b/cache/c/d"], ["a/caches", "mycache/b"]),
        ("**/**", ["a", "a/b"], []),
        ("a?c", ["abc", "a.c"], ["ac", "a/c", "abbc"]),
        ("a.c", ["a.c"], ["abc"]),
        ("team-[a-m]*", ["team-a", "team-max"], ["team-z", "team-", "team-a/b"]),
        ("team-[!a-m]*", ["team-z"], ["team-a"]),
        ("team-[^a-m]", ["team-z"], ["team-a"]),
        ("a[.-9]b", ["a.b", "a0b", "a9b"], ["a/b"]),
        ("a[^.-9]b", ["aab", "a-b"], ["a/b", "a0b"]),
        ("*a[.-9]*b", ["a.b", "xa1yb"], ["a/b", "xa/yb"]),
        ("**/a[.-9]b/**", ["a.b", "x/a.b/y"], ["a/b", "x/a/b/y"]),
        ("a, b\tc\nd ,", ["a", "b", "c", "d"], ["e"]),
    ],
)
def test_a_pattern_selects(pattern: str, inside: list[str], outside: list[str]) -> None:
    including, excluding = of(pattern), of(exclude=pattern)
    assert re.search(REPOSITORY_PATTERNS, pattern)
    for name in inside:
        assert including.has_repository(name), name
        assert not excluding.has_repository(name), name
    for name in outside:
        assert not including.has_repository(name), name
        assert excluding.has_repository(name), name


def test_without_patterns_everything_is_selected() -> None:
    assert Selection.parse() == Selection()
    assert Selection().has_tag("any/repository", "any-tag")
    assert Selection() == Selection.parse()
    assert Selection().has_tag("any/thing", "latest")


def test_an_exclusion_overrides_every_inclusion() -> None:
    selection = of("group/**", "group/secret/**, group/*-tmp")
    assert selection.has_repository("group/app")
    assert not selection.has_repository("group/secret")
    assert not selection.has_repository("group/secret/deep/app")
    assert not selection.has_repository("group/app-tmp")


def test_tags_are_selected_within_selected_repositories() -> None:
    selection = Selection.parse(include_repositories="group/**", include_tags="v[0-9]* latest", exclude_tags="*-rc*")
    assert selection.has_tag("group/app", "v1.2")
    assert selection.has_tag("group/app", "latest")
    assert not selection.has_tag("group/app", "v1-rc1")
    assert not selection.has_tag("group/app", "Latest")
    assert not selection.has_tag("other/app", "v1.2")
    assert selection.tags("group/app", ["dev", "v2", "v2-rc1", "v3"]) == ["v2", "v3"]
    assert selection.tags("other", ["v2"]) == []
    assert selection.restricts_tags
    assert not of("group/**").restricts_tags


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_a_tag_that_belongs_to_a_digest_is_excluded_only_by_its_own_name(suffix: str) -> None:
    tag = f"sha256-{HEX}{suffix}"
    assert of_tags("v*").has_tag("app", tag)
    assert of_tags("v*", "*-rc").has_tag("app", tag)
    assert not of_tags("v*", "sha256-*").has_tag("app", tag)
    assert not of_tags("v*").has_tag("app", f"sha256-{HEX[:-1]}{suffix}")


def test_references_follow_their_repository_and_tags_their_own_name() -> None:
    selection = Selection.parse(include_repositories="group/**", include_tags="v*")
    for reference in (Reference.whole(), Reference.digest(f"sha256:{HEX}"), Reference.tag("v1")):
        assert selection.has("group/app", reference)
        assert not selection.has("other/app", reference)
    assert not selection.has("group/app", Reference.tag("dev"))


@pytest.mark.parametrize("pattern", ["Group/**", "group/", "/group", "group//app", "a**", "a{b}", "[z-a]", "[a", "a$"])
def test_a_bad_pattern_is_refused_by_setting_and_name(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"EXCLUDE_REPOSITORIES: .*" + re.escape(repr(pattern))):
        of(exclude=f"good/* {pattern}")


@pytest.mark.parametrize("pattern", ["a/b", "v**", "a:b", "[b-a]"])
def test_a_bad_pattern_for_tags_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"INCLUDE_TAGS: .*" + re.escape(repr(pattern))):
        of_tags(f"v* {pattern}")


def test_the_forms_take_nothing_that_is_refused_but_ranges() -> None:
    for pattern in ("Group", "a/", "/a", "a//b", "a**", "**a", "a/ b", "{a}", "[a", "[]", "***"):
        assert not re.search(REPOSITORY_PATTERNS, pattern), pattern
    for pattern in ("a/b", "**", "a**b", "[]", "{a}"):
        assert not re.search(TAG_PATTERNS, pattern), pattern


def test_the_settings_say_what_is_selected() -> None:
    required = {
        "SITE_NAME": "a",
        "SITE_ROLE": "secondary",
        "SYNC_TABLE": "t",
        "DLQ_URL": "q",
        "LOCAL_REGISTRY_URL": "u",
    }
    environ = {
        "INCLUDE_REPOSITORIES": "a/**",
        "EXCLUDE_REPOSITORIES": "a/b",
        "INCLUDE_TAGS": "v*",
        "EXCLUDE_TAGS": "*-rc",
    }
    selection = read(SyncSettings, {**required, **environ}).selection
    assert selection == Selection.parse(
        include_repositories="a/**", exclude_repositories="a/b", include_tags="v*", exclude_tags="*-rc"
    )
    assert read(SyncSettings, required).selection == Selection()


def test_a_fingerprint_tells_selections_apart_and_not_orders_of_patterns() -> None:
    texts: tuple[dict[str, str], ...] = (
        {},
        {"include_repositories": "a b"},
        {"exclude_repositories": "a b"},
        {"include_tags": "a b"},
    )
    assert len({Selection.parse(**one).fingerprint for one in texts}) == len(texts)
    assert Selection.parse(include_tags="b,a a").fingerprint == Selection.parse(include_tags="a b").fingerprint
