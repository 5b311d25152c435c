"""A registry as CNCF Distribution is one: its storage, its API, its notifications, and the wire to it."""
