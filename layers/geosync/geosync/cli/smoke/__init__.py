"""`geosync smoke`: two throw-away sites in an account of one's own, a look at what they promise, and their removal.

`command` is the command, `run` the order of the steps, `promises` what is looked at. `package`, `stacks` and
`registries` make what is needed, each thing with one random id in its name and in its tag (`names`); `leftovers` finds
things by both, and removes them.
"""
