"""`geosync promote` and `geosync follow`: the primary is gone, or is to be another site.

Both are one update of a stack with the template that it has: no build, no source, and nothing that calls the lost
region. Before it the site is paused and its copies under way end, so that no copy from the old primary lands on what is
pushed to the new one.

`losses` shows what would be lost, `quiet_update` changes the site's role, `stack_update` is the one update,
`next_steps` what the other sites' operators are told after a promotion.
"""
