"""One holder of one repository: takes what is due, makes it equal, settles how each attempt ended.

```
holder.py      works off one repository under its lease
backlog.py     which reference comes next
reference.py   one owed reference: look, copy or remove, look again, discharge
reporting.py   what operators are told: log, metrics, dead letters
```
"""
