"""The looks of `geosync check`, a module for each part of a site. Each finding names a fault and the way to fix it."""
