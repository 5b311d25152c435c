"""The demonstration: real images, pushed to the primary with skopeo and watched until they are at every site.

images.py makes the images, skopeo.py pushes and pulls them, looks.py asks the sites, watch.py waits and takes the
times, report.py shows it, __main__.py is the story.
"""
