"""Geosync: a live, verified copy of a container registry on other sites."""

__version__ = "0.1.0"
