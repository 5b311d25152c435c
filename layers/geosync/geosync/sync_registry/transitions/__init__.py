"""The store protocol's transitions: pure functions from values and a time to conditional writes."""
