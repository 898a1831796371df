"""The pure parts of the app: what a run changed, how a task is put into words, what a child may do."""

from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.app.files import FileLedger
from vespiary.app.prompt import render
from vespiary.app.steward import narrowed
from vespiary.model.grants import Grant, Grants
from vespiary.model.runs import ChangeKind, FileChanged, Position, Range, Task, TaskContext, TaskDiagnostic


def created(path: str) -> FileChanged:
    return FileChanged(path, ChangeKind.CREATED)


def modified(path: str) -> FileChanged:
    return FileChanged(path, ChangeKind.MODIFIED)


def deleted(path: str) -> FileChanged:
    return FileChanged(path, ChangeKind.DELETED)


def renamed(old: str, new: str) -> FileChanged:
    return FileChanged(new, ChangeKind.RENAMED, old)


def net(*changes: FileChanged) -> tuple[FileChanged, ...]:
    ledger = FileLedger()
    for change in changes:
        ledger.add(change)
    return ledger.changes()


@requirement("app:net-changes")
def test_the_net_change_of_a_file_is_what_a_person_would_say() -> None:
    assert net(modified("a"), modified("a")) == (modified("a"),)
    assert net(created("a"), modified("a")) == (created("a"),)
    assert net(created("a"), deleted("a")) == ()
    assert net(modified("a"), deleted("a")) == (deleted("a"),)
    assert net(deleted("a"), created("a")) == (modified("a"),)
    assert net(renamed("a", "b"), renamed("b", "c")) == (renamed("a", "c"),)
    assert net(renamed("a", "b"), renamed("b", "a")) == (modified("a"),)
    assert net(created("a"), renamed("a", "b")) == (created("b"),)
    assert net(renamed("a", "b"), deleted("b")) == (deleted("a"),)


@requirement("app:net-changes")
def test_a_change_that_is_told_again_after_a_crash_counts_once() -> None:
    assert net(created("a"), created("a"), renamed("a", "b"), renamed("a", "b")) == (created("b"),)
    assert net(created("a"), deleted("a"), deleted("a")) == ()
    assert net(renamed("a", "b"), renamed("b", "c"), renamed("b", "c")) == (renamed("a", "c"),)
    # Really twice: something was in between.
    assert net(created("a"), renamed("a", "b"), deleted("b"), created("a"), renamed("a", "b")) == (created("b"),)


PATHS = st.sampled_from("abc")


@requirement("app:net-changes")
@given(st.sets(PATHS), st.lists(st.tuples(st.sampled_from(["create", "modify", "delete", "rename"]), PATHS, PATHS)))
def test_net_changes_agree_with_what_is_on_disk(before: set[str], steps: list[tuple[str, str, str]]) -> None:
    ledger, files = FileLedger(), set(before)
    for what, path, other in steps:
        if what == "create" and path not in files:
            files.add(path)
            ledger.add(created(path))
        elif what == "modify" and path in files:
            ledger.add(modified(path))
        elif what == "delete" and path in files:
            files.remove(path)
            ledger.add(deleted(path))
        elif what == "rename" and path in files and other not in files:
            files.remove(path)
            files.add(other)
            ledger.add(renamed(path, other))
    appeared, vanished = set[str](), set[str]()
    for change in ledger.changes():
        if change.change in (ChangeKind.CREATED, ChangeKind.RENAMED):
            appeared.add(change.path)
        if change.change is ChangeKind.DELETED:
            vanished.add(change.path)
        if change.was is not None:
            vanished.add(change.was)
    assert files - before <= appeared
    assert before - files <= vanished


def at(line: int, character: int = 0) -> Position:
    return Position(line, character)


@requirement("app:prompt-context")
def test_the_selection_and_the_diagnostics_reach_the_agent() -> None:
    where = Range(at(1), at(2, 3))
    diagnostic = TaskDiagnostic("name 'x' is not defined", Range(at(1, 4), at(1, 5)), "error", "pyright", "undefined")
    task = Task("Fix this", context=TaskContext("src/a.py", where, (diagnostic,)))

    text = render(task, "one\ntwo\nthree\nfour\n")

    assert text.startswith("Fix this\n")
    assert "lines 2 to 3 of the file `src/a.py`" in text
    assert "```\ntwo\nthr\n```" in text
    assert "- src/a.py:2:5: error: name 'x' is not defined [pyright undefined]" in text


@requirement("app:prompt-context")
def test_a_selection_may_hold_a_fence_and_end_beyond_the_document() -> None:
    task = Task("Look", context=TaskContext("a.md", Range(at(0), at(99))))

    assert "````\n```\ncode\n```\n````" in render(task, "```\ncode\n```\n")
    assert render(task, None).endswith("of the file `a.md`.")


GRANT = st.sampled_from(list(Grant))
GRANTS = st.builds(
    Grants, GRANT, GRANT, GRANT, GRANT, GRANT, st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple)
)
ORDER = [Grant.DENY, Grant.ASK, Grant.ALLOW]


@requirement("app:narrow-grants")
@given(GRANTS, GRANTS)
def test_a_child_never_has_more_than_its_parent(own: Grants, above: Grants) -> None:
    child = narrowed(own, above)
    for field in ("read", "write", "command", "http", "agents"):
        allowed = ORDER.index(getattr(child, field))
        assert allowed <= ORDER.index(getattr(own, field))
        assert allowed <= ORDER.index(getattr(above, field))
    assert set(child.hosts) <= set(own.hosts) & set(above.hosts)
