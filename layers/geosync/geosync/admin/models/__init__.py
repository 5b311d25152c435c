"""What the admin API takes and answers: GitLab's field names where GitLab has them, the same style where it has none.

A module for each of `routes`. Moments are RFC 3339 text in UTC (`…_at`); fields named `…_timestamp`, GitLab's own, are
whole seconds since the epoch; `…_seconds` are durations. A field that is null is not known, which is not the same as 0.
"""
