"""What a run changed, as one line per file. Knows how changes combine; knows nothing of how they are made."""

from vespiary.model.runs import ChangeKind, FileChanged


class FileLedger:
    """Folds the changes of a run, in order, into their net effect."""

    def __init__(self) -> None:
        self._origins: dict[str, str | None] = {}
        """Of each touched path: where its file was when the run began; none for a file that the run made."""
        self._gone: set[str] = set()
        """Paths whose file of the beginning was deleted."""
        self._last: dict[str, FileChanged] = {}
        """The last change of each path: one that was told before a crash may be told once more."""

    def add(self, change: FileChanged) -> None:
        """Note a change that was applied. The same one once more counts for nothing."""
        paths = [change.path] if change.was is None else [change.path, change.was]
        if all(self._last.get(path) == change for path in paths):
            return
        self._last.update(dict.fromkeys(paths, change))
        match change.change:
            case ChangeKind.CREATED:
                self._origins[change.path] = None
            case ChangeKind.MODIFIED:
                self._origins.setdefault(change.path, change.path)
            case ChangeKind.DELETED:
                origin = self._origins.pop(change.path, change.path)
                if origin is not None:
                    self._gone.add(origin)
            case ChangeKind.RENAMED:
                was = change.was or change.path
                self._origins[change.path] = self._origins.pop(was, was)

    def changes(self) -> tuple[FileChanged, ...]:
        """The net changes, by path."""
        at_first = self._gone | {origin for origin in self._origins.values() if origin is not None}
        net = [FileChanged(path, ChangeKind.DELETED) for path in self._gone - self._origins.keys()]
        for path, origin in self._origins.items():
            if origin is not None and origin != path:
                net.append(FileChanged(path, ChangeKind.RENAMED, origin))
            else:
                # A new file where another one was is, to whoever looks at the folder, a modified one.
                kind = ChangeKind.MODIFIED if path in at_first else ChangeKind.CREATED
                net.append(FileChanged(path, kind))
        return tuple(sorted(net, key=lambda change: change.path))
