"""Rules of Geosync's, and for each the library without it: one module for each subject."""
