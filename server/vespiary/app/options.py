"""What a front may decide about a workspace. Values with their defaults."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from vespiary.runtime.clock import Clock, SystemClock

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Options:
    """What a front may decide. `trusted`: whether the workspace's own configuration may grant power; none asks the user's list."""

    trusted: bool | None = None
    progress: Callable[[str], None] = log.info
    """Told what takes long, such as compiling a component."""
    workers: int = 0
    """Processes that actors live in, where the configuration does not say; 0: this one."""
    journal: bool = True
    """Whether runs are kept, where the configuration does not say otherwise."""
    snapshot_every: int | None = 200
    """Inputs of an actor after which its state is kept, so that its instance can be made again without all of them."""
    clock: Clock = field(default_factory=SystemClock)
    source: random.Random = field(default_factory=random.SystemRandom)
