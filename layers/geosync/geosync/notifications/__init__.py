"""What registries post: one parser per source format, the Authorization check, and publishing as geo events."""
