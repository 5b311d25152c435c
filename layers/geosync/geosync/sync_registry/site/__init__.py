"""The items that concern the whole site, one module each: its key, its value, its reads and writes."""
