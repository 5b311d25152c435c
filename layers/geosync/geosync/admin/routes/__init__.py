"""The routes of the admin API, a module per subject. Thin: read what is asked, call the library, shape the answer."""
