"""`[journal]` and `[workers]`: how runs are kept and where actors live. Does no IO."""

from typing import Literal

from pydantic import Field

from vespiary.config.table import Table


class JournalConfig(Table):
    """`[journal]`: the record of runs in `.vespiary/`, from which they are resumed and replayed."""

    enabled: bool = True
    """Without it nothing is kept: a run ends with its process, and conversations cannot be gone on with."""
    sync: Literal["full", "normal"] = "full"
    """`full` survives a loss of power; `normal` is faster, and may lose the last moments then. Both survive a killed process."""
    keep_runs: int = Field(default=500, ge=0, le=1_000_000)
    """Finished runs that are kept, the newest."""
    keep_mb: int = Field(default=1024, ge=1, le=1_000_000)
    """Megabytes of finished runs that are kept."""


class WorkersConfig(Table):
    """`[workers]`: the processes that actors live in."""

    count: int | None = Field(default=None, ge=0, le=64)
    """None: what suits the machine. 0: no processes; actors live in the server's own."""
