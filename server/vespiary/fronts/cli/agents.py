"""`vespiary agents`: who can be asked here."""

from pathlib import Path

from vespiary.fronts.cli.errors import tell
from vespiary.fronts.cli.terminal import plain, write_json
from vespiary.model.wire import to_wire


def list_agents(folder: Path, *, as_json: bool, trusted: bool | None) -> None:
    """Print the agents, the default one first. Raises `ConfigError`."""
    from vespiary.config import ConfigError, load

    config = load(folder.resolve(), trusted=trusted)
    infos = config.infos()
    if as_json:
        import orjson

        write_json(orjson.dumps(to_wire(infos), option=orjson.OPT_INDENT_2))
        return
    from rich.table import Table
    from rich.text import Text

    from vespiary.fronts.cli.render import terminal

    table = Table("agent", "model", "actors", "what it is for", box=None)
    for info in infos:
        name = info.name + (" (default)" if info.default else "")
        table.add_row(
            *(Text(plain(cell)) for cell in (name, info.model or "none", ", ".join(info.actors), info.description))
        )
    terminal().print(table)
    if not infos[0].model:
        try:
            config.model_of(infos[0].name)
        except ConfigError as error:
            tell(error)
