"""One parser for each format of notifications: it makes claims of a body, and decides nothing."""
