"""Registries as a site works with them, and the differences from vendor to vendor.

registry.py     plain OCI as a site works with it, the base of every vendor
vendors/        one module per vendor: only what differs
secrets.py      the one JSON secret per registry
exchange.py     vendors' token services, which give a token for a secret or another token
opening.py      URL, vendor and secret -> a registry to work with
"""
