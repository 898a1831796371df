"""The router's index against the plain meaning of subscriptions."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.model.ids import RunId, Scope
from vespiary.model.messages import Extent, Subscription, matches
from vespiary.runtime.router import Router

RUNS = (RunId("one"), RunId("two"))
# Scopes of both runs as a tree: each names its parent.
PARENTS = {"a": None, "b": "a", "c": "b", "d": "a", "x": None, "y": "x"}
RUN_OF = {"a": RUNS[0], "b": RUNS[0], "c": RUNS[0], "d": RUNS[0], "x": RUNS[1], "y": RUNS[1]}

words = st.sampled_from(["a", "b", "ab", "a.b", "a.b.c", "a.", ".", "a..b", "*", "a.*"])
patterns = words | words.map(lambda word: f"{word}.*") | words.map(lambda word: f"{word}*")
wishes = st.builds(Subscription, patterns, st.sampled_from(list(Extent)))


@dataclass(frozen=True)
class Hearer:
    name: int
    scope: str


def path(scope: str) -> list[Scope]:
    found = [Scope(scope)]
    while (above := PARENTS[found[-1]]) is not None:
        found.append(Scope(above))
    return found


def wants(hearer: Hearer, wish: Subscription, published_in: str, message_type: str) -> bool:
    if RUN_OF[hearer.scope] != RUN_OF[published_in] or not matches(wish.pattern, message_type):
        return False
    if wish.extent is Extent.OWN:
        return hearer.scope == published_in
    return wish.extent is Extent.EVERYWHERE or Scope(hearer.scope) in path(published_in)


@requirement("runtime:router-index", "runtime:extents")
@given(
    st.lists(st.tuples(st.sampled_from(sorted(PARENTS)), st.lists(wishes, max_size=4)), max_size=12),
    st.sets(st.integers(0, 11)),
    st.lists(st.tuples(st.sampled_from(sorted(PARENTS)), words | st.text("ab.*", min_size=1)), max_size=10),
)
def test_the_index_names_exactly_those_whom_a_search_through_all_subscriptions_finds(
    population: list[tuple[str, list[Subscription]]], leaving: set[int], published: list[tuple[str, str]]
) -> None:
    router: Router[Hearer] = Router()
    living: dict[Hearer, list[Subscription]] = {}
    for number, (scope, wanted) in enumerate(population):
        hearer = Hearer(number, scope)
        living[hearer] = wanted
        router.add(hearer, RUN_OF[scope], Scope(scope), wanted)
    for hearer in list(living):
        if hearer.name in leaving:
            router.remove(hearer)
            del living[hearer]
    for scope, message_type in published:
        found = router.hearers(RUN_OF[scope], path(scope), message_type)
        expected = {h for h, wanted in living.items() if any(wants(h, wish, scope, message_type) for wish in wanted)}
        assert len(found) == len(set(found))
        assert set(found) == expected
    for hearer in living:
        router.remove(hearer)
    assert len(router) == 0
    assert router._places == {}


def test_a_publication_looks_at_what_matches_and_not_at_every_subscriber() -> None:
    class Counted:
        hashed = 0

        def __hash__(self) -> int:
            Counted.hashed += 1
            return id(self)

    router: Router[Counted] = Router()
    kept = [Counted() for _ in range(1000)]
    for number, hearer in enumerate(kept):
        router.add(hearer, RUNS[0], Scope("a"), [Subscription(f"t.{number}"), Subscription(f"u{number}.*")])
    Counted.hashed = 0
    assert router.hearers(RUNS[0], [Scope("a")], "t.500") == [kept[500]]
    assert Counted.hashed <= 2
