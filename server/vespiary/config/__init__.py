"""Reading `vespiary.toml`: models, agents, trust. Knows nothing of fronts.

This package imports pydantic, and so is itself imported when it is needed and not at start.
"""

from vespiary.config.errors import ConfigError, ConfigProblem
from vespiary.config.load import load, user_file_path
from vespiary.config.models import AgentConfig, Config, GrantsConfig, ModelConfig
from vespiary.config.running import JournalConfig, WorkersConfig
from vespiary.config.trust import is_trusted, needs_trust, state_dir, trust, untrust

__all__ = [
    "AgentConfig",
    "Config",
    "ConfigError",
    "ConfigProblem",
    "GrantsConfig",
    "JournalConfig",
    "ModelConfig",
    "WorkersConfig",
    "is_trusted",
    "load",
    "needs_trust",
    "state_dir",
    "trust",
    "untrust",
    "user_file_path",
]
