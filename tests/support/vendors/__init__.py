"""Doubles of vendors' registries that cannot run here: a real registry, and in front of it the vendor's own rules."""
