"""What becomes of a message of the events queue and of the work queue."""
