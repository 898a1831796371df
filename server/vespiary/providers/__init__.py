"""Model wire formats. Knows nothing of actors."""
