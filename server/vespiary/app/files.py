"""What a run changed, as one line per file. Knows how changes combine; knows nothing of how they are made."""

from vespiary.model.runs import ChangeKind, FileChanged


class FileLedger:
    """Folds the changes of a run, in order, into their net effect."""

    def __init__(self) -> None:
        self._by_path: dict[str, FileChanged] = {}

    def add(self, change: FileChanged) -> None:
        """Note a change that was applied."""
        match change.change:
            case ChangeKind.CREATED:
                self._created(change.path)
            case ChangeKind.MODIFIED:
                self._by_path.setdefault(change.path, change)
            case ChangeKind.DELETED:
                self._deleted(change.path)
            case ChangeKind.RENAMED:
                self._renamed(change.was or change.path, change.path)

    def _created(self, path: str) -> None:
        # A file that was deleted before and is made anew is, in sum, a modified one.
        known = self._by_path.get(path)
        kind = ChangeKind.MODIFIED if known and known.change is ChangeKind.DELETED else ChangeKind.CREATED
        self._by_path[path] = FileChanged(path, kind)

    def _deleted(self, path: str) -> None:
        known = self._by_path.pop(path, None)
        if known is None or known.change is ChangeKind.MODIFIED:
            self._by_path[path] = FileChanged(path, ChangeKind.DELETED)
        elif known.change is ChangeKind.RENAMED and known.was:
            self._by_path[known.was] = FileChanged(known.was, ChangeKind.DELETED)

    def _renamed(self, old: str, new: str) -> None:
        known = self._by_path.pop(old, None)
        if known is not None and known.change is ChangeKind.CREATED:
            self._created(new)
            return
        origin = known.was if known is not None and known.was else old
        if origin == new:
            self._by_path[new] = FileChanged(new, ChangeKind.MODIFIED)
        else:
            self._by_path[new] = FileChanged(new, ChangeKind.RENAMED, origin)

    def changes(self) -> tuple[FileChanged, ...]:
        """The net changes, by path."""
        return tuple(self._by_path[path] for path in sorted(self._by_path))
