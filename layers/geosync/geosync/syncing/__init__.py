"""One holder of one repository: takes what is due, makes it equal, settles how each attempt ended.

```
holder.py      works off one repository under its lease: the loop
context.py     what a holder is given, and what its parts share
backlog.py     which reference comes next
reference.py   one owed reference: look, copy or remove, look again, discharge
attempt.py     what is known of that reference meanwhile
settle.py      what an ended attempt comes to, and whose error it was
ending.py      why a holder stops, and how its threads get to know
reporting.py   what operators are told: log, metrics, dead letters
```
"""
