"""What the tests of the SDK share: actors in the real sandbox, dropped at the end of a test."""

from collections.abc import Callable, Iterator

import pytest
from support.component import LiveActor

Make = Callable[..., LiveActor]


@pytest.fixture
def live() -> Iterator[Make]:
    made: list[LiveActor] = []

    def make(*args: object, **kwargs: object) -> LiveActor:
        actor = LiveActor(*args, **kwargs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        made.append(actor)
        return actor

    yield make
    for actor in made:
        actor.close()
