"""Which stretches of two sequences of lines differ.

Lines that occur once on either side are matched first (the idea of patience diff: people find the result readable), what lies
between them by Myers' shortest edit script. Both have a budget: two large texts with nothing in common cost linear time and come
out as one replacement. Knows sequences of texts only.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

Hunk = tuple[int, int, int, int]
"""`a[i1:i2]` became `b[j1:j2]`, as (i1, i2, j1, j2). At least one side is not empty."""

_DEPTH = 24
"""Levels of matching by unique lines."""
_EDITS = 256
"""Longest edit script that is looked for between two matched lines."""
_STEPS = 400_000
"""Steps that all searches for edit scripts of one comparison may take together."""


def hunks(a: Sequence[str], b: Sequence[str]) -> list[Hunk]:
    """The differing stretches, ascending and with at least one equal line between two of them."""
    return list(_joined(_Matcher(a, b).pairs(), len(a), len(b)))


def _joined(pairs: Sequence[tuple[int, int]], rows: int, columns: int) -> Iterator[Hunk]:
    i = j = 0
    for row, column in (*pairs, (rows, columns)):
        if row > i or column > j:
            yield i, row, j, column
        i, j = row + 1, column + 1


class _Matcher:
    """One comparison; holds what is left of the budget."""

    def __init__(self, a: Sequence[str], b: Sequence[str]) -> None:
        # Small numbers compare faster than long texts.
        numbers: dict[str, int] = {}
        self._a = [numbers.setdefault(line, len(numbers)) for line in a]
        self._b = [numbers.setdefault(line, len(numbers)) for line in b]
        self._steps = _STEPS

    def pairs(self) -> list[tuple[int, int]]:
        """Matching pairs of indexes, ascending in both."""
        found: list[tuple[int, int]] = []
        todo = [(0, len(self._a), 0, len(self._b), 0)]
        while todo:
            i1, i2, j1, j2, depth = todo.pop()
            while i1 < i2 and j1 < j2 and self._a[i1] == self._b[j1]:
                found.append((i1, j1))
                i1, j1 = i1 + 1, j1 + 1
            while i1 < i2 and j1 < j2 and self._a[i2 - 1] == self._b[j2 - 1]:
                i2, j2 = i2 - 1, j2 - 1
                found.append((i2, j2))
            if i1 == i2 or j1 == j2:
                continue
            anchors = self._anchors(i1, i2, j1, j2) if depth < _DEPTH else []
            if not anchors:
                found += self._script(i1, i2, j1, j2)
                continue
            found += anchors
            for row, column in (*anchors, (i2, j2)):
                todo.append((i1, row, j1, column, depth + 1))
                i1, j1 = row + 1, column + 1
        found.sort()
        return found

    def _anchors(self, i1: int, i2: int, j1: int, j2: int) -> list[tuple[int, int]]:
        """The longest ascending choice of lines that occur once on either side."""
        count_a, count_b = Counter(self._a[i1:i2]), Counter(self._b[j1:j2])
        place = {self._b[j]: j for j in range(j1, j2) if count_b[self._b[j]] == 1}
        common = [(i, place[line]) for i in range(i1, i2) if count_a[line := self._a[i]] == 1 and line in place]
        # Longest increasing subsequence of the columns, by piles.
        tops: list[int] = []
        holders: list[int] = []
        before: list[int] = []
        for index, (_, column) in enumerate(common):
            pile = bisect_left(tops, column)
            before.append(holders[pile - 1] if pile else -1)
            if pile == len(tops):
                tops.append(column)
                holders.append(index)
            else:
                tops[pile], holders[pile] = column, index
        chosen: list[tuple[int, int]] = []
        index = holders[-1] if holders else -1
        while index >= 0:
            chosen.append(common[index])
            index = before[index]
        chosen.reverse()
        return chosen

    def _script(self, i1: int, i2: int, j1: int, j2: int) -> list[tuple[int, int]]:
        """The pairs that a shortest edit script keeps; none when it is longer than the budget allows."""
        a, b = self._a[i1:i2], self._b[j1:j2]
        rows, columns = len(a), len(b)
        if set(a).isdisjoint(b):
            return []
        furthest = {1: 0}
        history: list[dict[int, int]] = []
        for edits in range(min(rows + columns, _EDITS) + 1):
            history.append(furthest.copy())
            for diagonal in range(-edits, edits + 1, 2):
                down = _down(furthest, diagonal, edits)
                row = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
                start = row
                while row < rows and row - diagonal < columns and a[row] == b[row - diagonal]:
                    row += 1
                furthest[diagonal] = row
                self._steps -= row - start + 1
                if row == rows and row - diagonal == columns:
                    return self._walk(history, rows, columns, i1, j1)
            if self._steps <= 0:
                return []
        return []

    @staticmethod
    def _walk(history: list[dict[int, int]], row: int, column: int, i1: int, j1: int) -> list[tuple[int, int]]:
        """Back from the end along the furthest points: the diagonal moves are the pairs."""
        pairs: list[tuple[int, int]] = []
        for edits in range(len(history) - 1, -1, -1):
            diagonal = row - column
            start, before = 0, (0, 0)
            if edits:
                furthest = history[edits]
                down = _down(furthest, diagonal, edits)
                earlier = diagonal + 1 if down else diagonal - 1
                before = (furthest[earlier], furthest[earlier] - earlier)
                start = before[0] if down else before[0] + 1
            while row > start:
                row -= 1
                pairs.append((i1 + row, j1 + row - diagonal))
            row, column = before
        return pairs


def _down(furthest: dict[int, int], diagonal: int, edits: int) -> bool:
    """Whether the furthest point on a diagonal is reached by an insertion (down) or by a deletion."""
    if diagonal in (-edits, edits):
        return diagonal == -edits
    return furthest[diagonal - 1] < furthest[diagonal + 1]
