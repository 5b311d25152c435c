"""`geosync drill`: the loss of the primary is rehearsed, with the caller's own permissions.

`command` is the command, `rehearsal` runs the parts of geosync.drilling in turn, `ways` opens the registries for them.
"""
