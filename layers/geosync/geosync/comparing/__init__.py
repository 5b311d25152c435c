"""Comparing the primary's registry with this site's: backfill and the daily comparison.

```
catalogue.py          the walk through the primary's catalogue; progress.py says how far it is
whole_repository.py   one repository, tag by tag; missing.py what the primary has no more
missing_referrers.py  signatures and the like that nobody announced
rows.py               repositories that the catalogue does not list: gone from the primary, or from the selection
```
"""
