"""Events become marks, and wakes for functions/sync. This folder knows no registry and no secret."""
