"""Who hears a message: subscriptions, indexed so that publishing costs what matches, not what exists.

Pure: knows scopes, runs and patterns; a subscriber is anything hashable. Does not deliver.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from vespiary.model.ids import RunId, Scope
from vespiary.model.messages import Extent, Subscription

S = TypeVar("S", bound=Hashable)

_Place = tuple[Extent, str]
_Index = dict[str, dict[S, None]]  # pattern -> subscribers in the order in which they came


_MOST_KNOWN = 4096
"""Answers that are remembered: message types are what actors make up."""


def _patterns(message_type: str) -> list[str]:
    """Every pattern that covers this type: itself, `*`, and a `.*` for every dot in it."""
    found = [message_type, "*"] if message_type != "*" else ["*"]
    at = message_type.find(".")
    while at >= 0:
        pattern = message_type[: at + 1] + "*"
        if pattern != message_type:
            found.append(pattern)
        at = message_type.find(".", at + 1)
    return found


class Router(Generic[S]):
    """The subscriptions of all runs. Runs hear nothing of one another."""

    def __init__(self) -> None:
        self._places: dict[_Place, _Index[S]] = {}
        self._of: dict[S, list[tuple[_Place, str]]] = {}
        self._known: dict[tuple[RunId, tuple[Scope, ...], str], Sequence[S]] = {}
        """Who hears what, as it was asked since the subscriptions last changed."""

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def add(self, subscriber: S, run: RunId, scope: Scope, subscriptions: Iterable[Subscription]) -> None:
        """Let a subscriber that lives in `scope` of `run` hear what it wants."""
        self._known.clear()
        for wish in subscriptions:
            place = (wish.extent, run if wish.extent is Extent.EVERYWHERE else scope)
            hearers = self._places.setdefault(place, {}).setdefault(wish.pattern, {})
            if subscriber not in hearers:
                hearers[subscriber] = None
                self._of.setdefault(subscriber, []).append((place, wish.pattern))

    def remove(self, subscriber: S) -> None:
        """Let a subscriber hear nothing any more."""
        self._known.clear()
        for place, pattern in self._of.pop(subscriber, ()):
            index = self._places[place]
            hearers = index[pattern]
            del hearers[subscriber]
            if not hearers:
                del index[pattern]
                if not index:
                    del self._places[place]

    def hearers(self, run: RunId, path: Sequence[Scope], message_type: str) -> Sequence[S]:
        """Who hears a message of this type published in `path[0]`, whose ancestors follow it in `path`. Each is named once."""
        question = (run, tuple(path), message_type)
        known = self._known.get(question)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[question] = self._find(run, path, message_type)
        return known

    def _find(self, run: RunId, path: Sequence[Scope], message_type: str) -> list[S]:
        places = self._places
        indexes = [
            index
            for place in (
                (Extent.OWN, path[0]),
                *((Extent.SUBTREE, scope) for scope in path),
                (Extent.EVERYWHERE, run),
            )
            if (index := places.get(place)) is not None
        ]
        if not indexes:
            return []
        patterns = _patterns(message_type)
        found: dict[S, None] = {}
        for index in indexes:
            for pattern in patterns:
                if (hearers := index.get(pattern)) is not None:
                    found.update(hearers)
        return list(found)
