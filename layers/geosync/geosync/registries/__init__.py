"""Registries as a site works with them, and the differences from vendor to vendor.

registry.py     plain OCI as a site works with it, the base of every vendor
vendors/        one module per vendor: only what differs
secrets.py      the one JSON secret per registry
exchange.py     token services of a vendor, asked for one thing in exchange for another
opening.py      URL, vendor and secret -> a registry to work with
"""
