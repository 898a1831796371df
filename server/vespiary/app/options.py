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
    clock: Clock = field(default_factory=SystemClock)
    source: random.Random = field(default_factory=random.SystemRandom)
