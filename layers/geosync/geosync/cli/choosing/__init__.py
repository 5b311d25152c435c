"""The choice of a site: by the options of the command line, the environment, or a context of the user's file."""
