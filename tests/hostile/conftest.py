"""The admin API is asked on moto, as in its functional tests."""

from tests.support import aws_data, moto_calls

aws_data.share()
moto_calls.shorten()
