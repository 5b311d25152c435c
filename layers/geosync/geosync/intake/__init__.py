"""Events become marks, and wakes for whoever is to work on them. It knows no registry and no secret."""
