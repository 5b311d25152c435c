"""Layers that S3 copies itself, from the bucket of the primary's registry to that of this site's.

```
layout.py      the layout of a bucket of Distribution, and all that is known of it
calls.py       calls to S3 in threads: side by side, and left alone when time is over
copies.py      one object, copied by S3 and proved before it is there
showing.py     whether the registry shows what is in its bucket, seen with a few bytes
copier.py      the way of a layer: when it is taken, the link, the rest after something unexpected
probe.py       the proof with a blob of the primary's, for `geosync check`
```
"""
