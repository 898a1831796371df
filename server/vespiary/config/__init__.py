"""Reading `vespiary.toml`: models, agents, trust. Knows nothing of fronts."""
