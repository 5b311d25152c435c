"""The recovery point: how it follows from heartbeats, comparisons and what is owed."""
