"""The newest heartbeat and the newest event that arrived here: what the recovery point is made of."""
