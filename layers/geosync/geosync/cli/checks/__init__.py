"""What `geosync check` looks at, a module per part of a site: each finding names what is wrong and how to fix it."""
