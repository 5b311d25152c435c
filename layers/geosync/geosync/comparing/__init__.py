"""Comparing the primary's registry with this site's: backfill and the daily comparison.

```
catalogue.py          the walk through the primary's catalogue; progress.py says how far it is
rows.py               repositories that the catalogue does not list: gone from the primary, or from the selection
repository.py         one repository, from the primary's listing to what was found; context.py, marking.py: what its
                      parts share
tags.py               a part of the listing, tag by tag
missing_referrers.py  signatures and the like that nobody announced
known.py, missing.py  tags that the primary no longer has
outside.py, halves.py tags that left the selection; what was left half by that and is selected again
extra.py              what Geosync never put here
```
"""
