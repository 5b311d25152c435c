"""What all functional tests share."""

from tests.support import aws_data

aws_data.share()
