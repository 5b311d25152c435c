"""The stack whose updates a test plays."""

from tests.functional.cli.stacks import cloudformation

__all__ = ["cloudformation"]
