"""The module `random`, drawn from each step's seed: the same step gives the same numbers, whatever came before it."""

import random
from collections.abc import Callable
from typing import Any

_FUNCTIONS = (
    "random uniform triangular randint choice randrange sample shuffle choices normalvariate lognormvariate expovariate "
    "vonmisesvariate gammavariate gauss betavariate binomialvariate paretovariate weibullvariate getstate setstate "
    "getrandbits randbytes"
)


class StepRandom(random.Random):
    """A generator that seeds itself anew the first time it is used in a step, unless the author has seeded it."""

    def __init__(self, entropy: Callable[[], bytes]) -> None:
        self._entropy = entropy
        self._fresh = True
        super().__init__(0)

    def begin_step(self) -> None:
        """A new step has begun."""
        self.seed(None)

    def seed(self, a: Any = None, version: int = 2) -> None:
        """As `random.seed`. A seed that the author chose holds for the rest of the step."""
        # Without a seed (the component does that at its start), the work is left to whoever wants a number.
        self._fresh = a is None
        self.gauss_next = None
        if a is not None:
            super().seed(a, version)

    def setstate(self, state: Any) -> None:
        """As `random.setstate`; holds for the rest of the step."""
        self._fresh = False
        super().setstate(state)

    def getstate(self) -> Any:
        """As `random.getstate`."""
        self._ready()
        return super().getstate()

    def random(self) -> float:
        """As `random.random`."""
        self._ready()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """As `random.getrandbits`."""
        self._ready()
        return super().getrandbits(k)

    def _ready(self) -> None:
        if self._fresh:
            self._fresh = False
            super().seed(self._entropy())


def install(entropy: Callable[[], bytes]) -> StepRandom:
    """Put it behind the functions of the module `random`."""
    source = StepRandom(entropy)
    random._inst = source  # pyright: ignore[reportAttributeAccessIssue]
    random.seed = source.seed
    for name in _FUNCTIONS.split():
        if hasattr(random, name):
            setattr(random, name, getattr(source, name))
    return source
