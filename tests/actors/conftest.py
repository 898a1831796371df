"""Makes the built-in actors importable, as they are inside the component: each folder on the path as it is."""

import sys
from pathlib import Path

ACTORS = Path(__file__).parents[2] / "actors"

for name in ("assistant", "files", "shell"):
    sys.path.insert(0, str(ACTORS / name))
