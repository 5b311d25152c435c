"""Real parts for the tests: registries, images, and a proxy that counts."""
