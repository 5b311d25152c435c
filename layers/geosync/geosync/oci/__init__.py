"""A small registry client: the OCI distribution API and nothing of AWS or of any vendor."""
