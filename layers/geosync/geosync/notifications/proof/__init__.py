"""Proofs that a notification comes from the site's own registry."""
