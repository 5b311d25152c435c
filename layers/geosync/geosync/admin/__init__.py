"""The admin API of a site (functions/admin): who may do what, the routes, their models, the audit log.

The only part of the library that needs pydantic (layers/admin), so nothing outside of it imports it.
"""
