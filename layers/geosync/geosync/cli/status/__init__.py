"""The status of a site, and of all sites of a primary."""
