"""The scenarios: each small enough to be explored whole, together with every kind of trouble in them."""

from __future__ import annotations

from tests.unit.sync_registry.model.world import ASKED, FOREIGN, Scenario

from geosync.sync_registry.items import ADOPT, KEEP, MISSING

_SCENARIOS = (
    # Events before their writes, in any order; two pushes in progress at once; the tag ends where it began.
    Scenario(name="back and forth", primary=("A",), secondary=("A",), pushes=((0, "B"), (0, "A"))),
    # The same where one function marks, and a wake that may come at any moment has another one work.
    Scenario(name="marked by another", primary=("A",), secondary=("A",), pushes=((0, "B"), (0, "A")), apart=True),
    # A wake that is lost, or whose worker dies, loses nothing: the sweep finds what is owed.
    Scenario(
        name="a wake is lost", primary=("A",), secondary=("A",), pushes=((0, "B"),), apart=True, crashes=1, duplicates=1
    ),
    # The same with an event that comes twice.
    Scenario(
        name="an event comes twice",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "A")),
        duplicates=1,
        workers=1,
    ),
    # One digest pushed twice at once, and another: three writes in any order.
    Scenario(
        name="pushed twice at once",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "B"), (0, "A")),
        together=3,
        workers=1,
    ),
    # A comparison marks the tag at any moment, and waits for nobody's announcement.
    Scenario(
        name="compared meanwhile", primary=("A",), secondary=("A",), pushes=((0, "B"), (0, "A")), asked=1, workers=1
    ),
    # Pulls have the tag looked at, at any moment; what they see answers no event.
    Scenario(
        name="pulled meanwhile",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "A")),
        asked=2,
        asks=ASKED,
        workers=1,
    ),
    Scenario(
        name="backfilled meanwhile",
        primary=("A",),
        secondary=(None,),
        known=False,
        pushes=((0, "B"), (0, "A")),
        asked=1,
        workers=1,
        owed=True,
    ),
    # Another tag is pushed while a comparison marks what it found.
    Scenario(
        name="pushed while comparing",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((1, "B"),),
        write_delay=0,
        asked=1,
    ),
    Scenario(name="removed and pushed again", primary=("A",), secondary=("A",), pushes=((0, None), (0, "B"))),
    Scenario(name="not ours", primary=(None,), secondary=(FOREIGN,), known=False, pushes=((0, None),)),
    # The primary lost the tag, nobody said so, and a comparison misses it; a push may bring it back at any moment.
    Scenario(
        name="missed and pushed again",
        primary=(None,),
        secondary=("A",),
        pushes=((0, "B"),),
        asked=1,
        asks=MISSING,
        lost=True,
    ),
    Scenario(
        name="missed, and the breaker is on",
        primary=(None,),
        secondary=("A",),
        pushes=((0, "B"),),
        asked=1,
        asks=MISSING,
        lost=True,
        suspended=True,
        workers=1,
    ),
    # Somebody asks about a tag that the primary lost, and no comparison missed it before.
    Scenario(
        name="lost, and asked about",
        primary=(None,),
        secondary=("A",),
        pushes=((0, "B"),),
        asked=1,
        lost=True,
        workers=1,
    ),
    # An operator speaks of the tag at any moment; the event of the deletion comes twice.
    Scenario(
        name="kept",
        primary=("A",),
        secondary=("A",),
        pushes=((0, None),),
        asked=1,
        asks=KEEP,
        duplicates=1,
        workers=1,
    ),
    Scenario(
        name="adopted",
        primary=(None,),
        secondary=(FOREIGN,),
        known=False,
        pushes=((0, "A"), (0, None)),
        asked=1,
        asks=ADOPT,
        workers=1,
    ),
    # Two references of one repository under one lease.
    Scenario(
        name="two tags",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((0, "B"), (1, "B")),
        write_delay=0,
    ),
    Scenario(
        name="two tags, a worker dies",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((0, "B"), (1, "B")),
        write_delay=0,
        crashes=1,
    ),
    # Dies at any step: its lease stays, and a tag write it sent may land later.
    Scenario(
        name="a worker dies", primary=("A",), secondary=("A",), pushes=((0, "B"), (0, "C")), write_delay=0, crashes=1
    ),
    Scenario(
        name="a worker dies over a new tag",
        primary=(None,),
        secondary=(None,),
        known=False,
        pushes=((0, "A"), (0, None)),
        write_delay=0,
        crashes=1,
    ),
    # A tag write or removal that is given up and may land later.
    Scenario(
        name="no answer", primary=("A",), secondary=("A",), pushes=((0, "B"), (0, "C")), write_delay=0, unknowns=1
    ),
    # The table refuses to write down that it may land, and takes the release.
    Scenario(
        name="no answer, and the table refuses",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "C")),
        write_delay=0,
        unknowns=1,
        refuses=True,
    ),
    Scenario(
        name="no answer to a removal",
        primary=("A",),
        secondary=("A",),
        pushes=((0, None), (0, "B")),
        write_delay=0,
        unknowns=1,
    ),
    # Misses renewals, and goes on as slowly as it likes while another takes over.
    Scenario(
        name="a worker stalls",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "C")),
        write_delay=0,
        stalls=1,
        split=False,
    ),
    Scenario(
        name="a worker stalls over one push",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"),),
        write_delay=0,
        stalls=1,
        split=False,
    ),
    # Every digest that a push named counts, also when a later push of the tag overtook it.
    Scenario(
        name="overtaken",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "C")),
        workers=1,
        superseded=True,
    ),
    Scenario(
        name="overtaken, and two work",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "C")),
        write_delay=0,
        superseded=True,
    ),
    # The digest that was overtaken is pushed again under another tag.
    Scenario(
        name="overtaken under two tags",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((0, "B"), (0, "A"), (1, "B")),
        write_delay=0,
        workers=1,
        superseded=True,
        split=False,
    ),
    # The tag is deleted after the push, and its manifest with it, and it is pushed again.
    Scenario(
        name="overtaken by a deletion",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, None), (0, "B"), (0, "A")),
        write_delay=0,
        workers=1,
        superseded=True,
        collects=True,
        split=False,
    ),
    # The tag's item takes one digest only.
    Scenario(
        name="overtaken in a full item",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "C"), (0, "D")),
        write_delay=0,
        workers=1,
        superseded=True,
        most_expected=1,
        split=False,
    ),
    Scenario(
        name="overtaken, and a worker dies",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"), (0, "C")),
        write_delay=0,
        superseded=True,
        crashes=1,
        split=False,
    ),
    # Everything at once, over one push.
    Scenario(
        name="a worker stalls, one dies, no answer",
        primary=("A",),
        secondary=("A",),
        pushes=((0, "B"),),
        write_delay=0,
        stalls=1,
        crashes=1,
        unknowns=1,
        split=False,
    ),
    # Every holder dies that works on v0, before it writes anything; v1 is good.
    Scenario(
        name="a tag kills",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((0, "B"), (1, "B")),
        write_delay=0,
        split=False,
        poison=True,
    ),
    Scenario(
        name="a tag kills, and one dies by chance",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((0, "B"), (1, "B")),
        write_delay=0,
        split=False,
        workers=1,
        crashes=1,
        poison=True,
    ),
    # Nobody works on v0 here; v1 is named by one that dies once it is synced, and marked while another takes over.
    Scenario(
        name="a tag is pushed again between deaths by chance",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((1, "A"), (1, "A")),
        write_delay=0,
        split=False,
        crashes=2,
        poison=True,
    ),
    # A push of the tag that kills, at any moment between a death and its count: the reference starts afresh.
    Scenario(
        name="a tag kills, and is pushed again",
        primary=("A", "A"),
        secondary=("A", "A"),
        pushes=((0, "B"), (0, "C")),
        write_delay=0,
        split=False,
        crashes=1,
        poison=True,
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in _SCENARIOS}
