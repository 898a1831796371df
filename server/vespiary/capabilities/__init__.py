"""What the host does for actors, each behind grants. Knows nothing of which front is attached."""
