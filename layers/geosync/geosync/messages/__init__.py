"""The messages that sites and functions send: geo events, work messages; and the log that people read of events."""
