"""`vespiary trust`: a person's word that a workspace's own configuration may grant power."""

from pathlib import Path

from vespiary.fronts.cli.errors import say
from vespiary.model.errors import UsageError


def change_trust(folder: Path, *, remove: bool) -> None:
    """Trust the workspace's configuration as it reads now, or no longer, and say what that means."""
    from vespiary.config import load, needs_trust
    from vespiary.config.trust import trust, untrust

    root = folder.resolve()
    if remove:
        untrust(root)
        say(f"{root} is not trusted any more.")
        return
    config = load(root, trusted=True)
    if config.workspace_file is None:
        raise UsageError(
            f"There is no vespiary.toml in {root}: there is nothing to trust.", hint="Name another folder."
        )
    # What was read and is told, not what the file may hold by now.
    trust(root, config.workspace_file)
    say(
        f"{root} is trusted as its vespiary.toml reads now. A change to it, or to an actor or script that it names, asks again."
    )
    for wish in needs_trust(config):
        say(f"  {wish}")
