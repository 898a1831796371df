"""`vespiary trust`: a person's word that a workspace's own configuration may grant power."""

from pathlib import Path

from vespiary.fronts.cli.errors import say


def change_trust(folder: Path, *, remove: bool) -> None:
    """Trust the workspace's configuration as it reads now, or no longer, and say what that means."""
    from vespiary.config import load, needs_trust
    from vespiary.config.trust import trust, untrust

    root = folder.resolve()
    if remove:
        untrust(root)
        say(f"{root} is not trusted any more.")
        return
    wishes = needs_trust(load(root, trusted=True))
    trust(root)
    say(f"{root} is trusted as its vespiary.toml reads now. A change to that file asks again.")
    for wish in wishes:
        say(f"  allows: {wish}")
