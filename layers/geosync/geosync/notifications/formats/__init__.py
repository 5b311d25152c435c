"""One parser for each source of notifications."""
