"""The primary's registry and this site's as a pair, and everything of it that outlives a holder.

```
pair.py                one container repository at both sites
registries.py          the two registries, with what outlives a holder
site_registries.py     both opened from settings and secrets; settings.py the settings
selection.py           the repositories and tags that are replicated
capabilities.py        the habits of a destination; known_capabilities.py asked once, and kept
deletes.py             the removal of one tag, in the way that the registry supports
pace.py                how fast layers go, and what fits into the time that is left
connections.py         the number of connections over which a large layer is read
```
"""
