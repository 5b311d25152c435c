"""The fixtures that the tests of a whole secondary share."""

from tests.integration.copying.s3_images import push
from tests.integration.copying.s3_site import s3_places, s3_secondaries, s3_secondary, s3_site, s3_tokens
from tests.integration.fixtures import make, primary, secondary, way, ways

__all__ = [
    "make",
    "primary",
    "push",
    "s3_places",
    "s3_secondaries",
    "s3_secondary",
    "s3_site",
    "s3_tokens",
    "secondary",
    "way",
    "ways",
]
