"""What an upgrade finds in a table: written by the previous release's code, read by today's."""
