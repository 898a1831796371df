"""The ideal API: one workspace, its agents and runs. Every front talks only to this; it knows nothing of LSP or terminals."""
