"""Where on this machine a person's own things are kept. Knows names of folders; reads and makes nothing."""

import os
from pathlib import Path


def state_dir() -> Path:
    """Where this person's answers and keys are kept: `VESPIARY_STATE_DIR`, or the system's place for it."""
    if own := os.environ.get("VESPIARY_STATE_DIR"):
        return Path(own)
    import platformdirs

    return Path(platformdirs.user_state_dir("vespiary", appauthor=False))
