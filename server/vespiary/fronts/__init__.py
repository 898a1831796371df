"""Ways in. Fronts know nothing of one another."""
