"""The fixtures that the tests of a whole secondary share."""

from tests.integration.fixtures import make, primary, secondary, way, ways

__all__ = ["make", "primary", "secondary", "way", "ways"]
