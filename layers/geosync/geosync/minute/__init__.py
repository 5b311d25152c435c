"""Tasks of functions/reconcile, one file each: what a site does every minute, each task separately.

At the primary the heartbeat; at a secondary the subscription, the sweep, the comparison, the verification, the recovery
point, the clock and the report; at both the health. `tasks` runs them, `record` notes that the minute ran, `reporting`
has log lines and metrics.
"""
