"""One pull of a manifest from a secondary: given out when it is as new as promised, waited for when it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.oci import media_types
from geosync.oci.manifests import digest_of
from geosync.oci.references import is_digest
from geosync.reading.freshness import Known, may_be_served, tag_point_ms
from geosync.reading.line import LinePlace, place_of
from geosync.reading.own_registry import Answered
from geosync.reading.requested import Requested
from geosync.reading.since import SinceAsked
from geosync.reading.site import ReadingSite
from geosync.reading.waiting import LAST_S, LONGEST_S, UNHEARD_OF_S
from geosync.sync_registry.items import Reference

Outcome = Literal["served", "waited", "stale", "fell through", "passed on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """The result of a pull. `point_ms` is the moment that a tag is of; None: not known, or it is a digest."""

    outcome: Outcome
    here: Answered
    point_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """The state of the reference in the sync registry, and the registry's answer, both asked for at the same time.

    Both speak of a digest, so it does not matter which came first. A digest that was copied between the two is not the
    one that was seen, and is looked at once more.
    """

    known: Known
    here: Answered


class ManifestPull:
    """One pull of a manifest. `repository` is its name at the primary. Use it once."""

    def __init__(
        self,
        site: ReadingSite,
        asked: Requested,
        repository: str,
    ) -> None:
        self._site = site
        self._asked = asked
        self._repository = repository
        self._reference = Reference.tag(asked.reference) if asked.is_tag else Reference.digest(asked.reference)
        left_s = site.whereabouts.deadline.left_s() - LAST_S
        self._until_s = site.whereabouts.clock.monotonic_s() + min(LONGEST_S, left_s)
        self._since: SinceAsked | None = None
        """Set for a tag for which only a look at the primary from now on will do."""
        self._has_woken = False

    def run(self, here: Answered | None = None) -> Pulled:
        """Pull; `here` is the registry's answer where it was asked already.

        Raises ReadRefusal, SyncRegistryError, and what DynamoDB raises.
        """
        view = self._look() if here is None else _View(self._read(), here)
        if self._asked.is_tag and self._site.promise.is_strict:
            self._since = SinceAsked(view.known)
        elif view.known.owed is None and not self._is_over(view):
            # It may have been marked, copied and seen between the two answers of this view.
            view = self._look()
        if self._is_over(view):
            return self._ended(view, "served")
        return self._ended(self._wait(view), "waited")

    def _look(self) -> _View:
        return _View(*self._site.beside(self._read, self._ask))

    def _read(self) -> Known:
        return self._site.whereabouts.of(self._repository, self._reference)

    def _ask(self) -> Answered:
        asked = self._asked

        def ask(method: str) -> Answered:
            return self._site.registry.ask(method, asked.target, asked.authorization, accept=media_types.ACCEPT)

        here = ask(asked.method)
        if asked.is_tag and here.status == 200 and _digest(here) is None and not here.body:
            here = ask("GET")  # it names no digest in answer to a HEAD: its bytes tell
        return here

    def _is_over(self, view: _View) -> bool:
        """Tell whether there is nothing to wait for: it may be given out, or the registry refuses the client."""
        return self._is_good(view) or not lets_in(view.here)

    def _is_good(self, view: _View) -> bool:
        if view.here.status != 200:
            return False
        return not self._asked.is_tag or self._may_be_served(view.known, _digest(view.here))

    def _may_be_served(self, known: Known, digest: str | None) -> bool:
        """Tell whether the tag may be given out as that digest."""
        if self._since is not None:
            return digest is not None and self._since.shown(known) == digest
        now_ms = self._site.whereabouts.clock.now_ms()
        return may_be_served(known, digest, now_ms=now_ms, max_staleness_ms=self._site.promise.max_staleness_ms)

    def _wait(self, view: _View) -> _View:
        """Put the reference first in line; return the last view once it may be served, or comes too late."""
        known = view.known
        if known.is_unheard_of:
            self._until_s = min(self._until_s, self._site.whereabouts.clock.monotonic_s() + UNHEARD_OF_S)
        place = self._place(known)
        if place is LinePlace.NONE:
            return view
        self._put(known, place)
        for _ in self._site.whereabouts.looks(self._until_s):
            known = self._read_and_note()
            if self._is_settled(known):
                view = self._ask_again(known, view.here)
                if self._since is None or self._is_over(view):
                    return view
            place = self._place(known)
            if place is LinePlace.NONE:
                break
            if self._is_to_be_put(known, place):
                self._put(known, place)
        return _View(known, view.here)

    def _is_to_be_put(self, known: Known, place: LinePlace) -> bool:
        """Tell whether to put it first in line once more.

        A reference that was discharged or postponed was looked at before this pull began. A wake that nobody took up is
        sent again: once, and not for a name that may be none.
        """
        if place is LinePlace.WAKE:
            return not self._has_woken and not known.is_unheard_of
        return place in (LinePlace.MARK, LinePlace.ANEW)

    def _read_and_note(self) -> Known:
        known = self._read()
        if self._since is not None:
            self._since.note(known)
        return known

    def _is_settled(self, known: Known) -> bool:
        """Tell whether the registry is worth asking again: nothing is owed, or what is there may be served."""
        if self._since is not None:
            return self._since.shown(known) is not None
        owed = known.owed
        return owed is None or (owed.shown is not None and self._may_be_served(known, owed.shown))

    def _ask_again(self, known: Known, here: Answered) -> _View:
        """Ask the registry again, unless what it answered before is what may be served: a digest has one content."""
        if self._since is not None and self._is_good(view := _View(known, here)):
            return view
        view = self._look()
        if self._since is not None:
            self._since.note(view.known)
        return view

    def _put(self, known: Known, place: LinePlace) -> None:
        self._has_woken = self._has_woken or place is LinePlace.WAKE
        is_marked = self._site.line.put(self._repository, self._reference, known, place)
        if is_marked and self._since is not None:
            self._since.note_marked(known)

    def _place(self, known: Known) -> LinePlace:
        clock = self._site.whereabouts.clock
        now_ms = clock.now_ms()
        left_ms = int((self._until_s - clock.monotonic_s()) * 1000)
        anew = self._since is not None and not self._since.is_anew(known)
        return place_of(known, now_ms=now_ms, until_ms=now_ms + max(left_ms, 0), anew=anew)

    def _ended(self, view: _View, outcome: Outcome) -> Pulled:
        here = view.here
        point_ms = tag_point_ms(view.known, _digest(here)) if self._asked.is_tag else None
        if not lets_in(here):
            return Pulled(outcome="passed on", here=here, point_ms=point_ms)
        if self._is_good(view):
            return Pulled(outcome=outcome, here=here, point_ms=point_ms)
        if here.status == 200 and self._site.promise.serves_stale:
            return Pulled(outcome="stale", here=here, point_ms=point_ms)
        return Pulled(outcome="fell through", here=here, point_ms=point_ms)


def lets_in(here: Answered) -> bool:
    """Tell whether the registry answered a client whom it lets in: it is there, or, in its own words, it is not."""
    return here.status == 200 or (here.status == 404 and here.is_registrys)


def _digest(here: Answered) -> str | None:
    """The digest of the manifest that the registry answered with; None where there is none, or it does not say."""
    if here.status != 200:
        return None
    announced = here.headers.get("Docker-Content-Digest")
    if announced is not None and is_digest(announced):
        return announced
    return digest_of(here.body, media_types.essence(here.headers.get("Content-Type"))) if here.body else None
