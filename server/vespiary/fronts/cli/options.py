"""Options that many commands have."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[
    Path, typer.Option("--folder", "-C", help="The workspace.", exists=True, file_okay=False, show_default="here")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Let this workspace's own vespiary.toml grant power, for this call.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
