"""`vespiary tokens report`: what agents used of models, as a table."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from vespiary.app.kept import open_kept
from vespiary.app.usage import By, ReportRow, UsageFact, report, total
from vespiary.fronts.cli.amounts import cost
from vespiary.fronts.cli.errors import say
from vespiary.fronts.cli.kept import since
from vespiary.fronts.cli.terminal import output, plain, write_json
from vespiary.model.runs import Usage
from vespiary.model.wire import to_wire

HEADINGS = ("calls", "in", "cached", "out", "reasoning", "cost")


def report_tokens(folder: Path, by: Sequence[str], age: str | None, *, as_json: bool) -> None:
    """Print what the runs of a workspace used, those that were pruned included. Raises `UsageError` for what is no age."""
    begin = since(age) if age is not None else 0
    with open_kept(folder.resolve()) as journal:
        rows = [] if journal is None else journal.usage(since=begin)
        notices = () if journal is None else journal.notices
    show_tokens(lambda: rows, [By(each) for each in dict.fromkeys(by)], as_json=as_json)
    for notice in notices:
        say(f"vespiary: {notice}")


def show_tokens(
    facts: Callable[[], Iterable[UsageFact]], by: Sequence[By], *, as_json: bool, zone: tzinfo | None = None
) -> None:
    """Print the report. On a terminal a table with its sum; into a pipe columns split by tabs with whole numbers; or JSON.

    Days are those of `zone`, by default of this machine.
    """
    rows = report(facts(), by, zone or datetime.now(UTC).astimezone().tzinfo or UTC)
    if as_json:
        _json(rows, by)
        return
    from vespiary.fronts.cli.render import terminal

    console = terminal()
    if not console.is_terminal:
        _columns(rows, by)
        return
    if not rows:
        console.print("No model was called yet.", markup=False)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_footer=len(rows) > 1)
    whole = _cells(total(rows))
    for number, name in enumerate(by):
        table.add_column(name.value, "" if number else "total", overflow="fold")
    for heading, footer in zip(HEADINGS, whole, strict=True):
        table.add_column(heading, footer, justify="right")
    for row in rows:
        table.add_row(*(Text(plain(cell) or "none") for cell in row.key), *_cells(row.usage))
    console.print(table)


def _cells(usage: Usage) -> list[str]:
    counts = (
        usage.calls,
        usage.input_tokens,
        usage.cached_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )
    return [*(f"{count:,}" for count in counts), cost(usage) or "none"]


def _columns(rows: list[ReportRow], by: Sequence[By]) -> None:
    """For other programs: a heading, then a line per row. Cost in dollars, empty where it is not known in full."""
    lines = [[*(each.value for each in by), *HEADINGS]]
    for row in rows:
        used = row.usage
        counts = (used.calls, used.input_tokens, used.cached_tokens, used.output_tokens, used.reasoning_tokens)
        price = "" if used.unpriced_calls else f"{used.cost / 1e6:.6f}"
        lines.append(
            [*(plain(cell).replace("\t", " ").replace("\n", " ") for cell in row.key), *map(str, counts), price]
        )
    out = output()
    out.write("".join("\t".join(line) + "\n" for line in lines))
    out.flush()


def _json(rows: list[ReportRow], by: Sequence[By]) -> None:
    import orjson

    listed: list[dict[str, Any]] = [
        {**dict(zip([each.value for each in by], row.key, strict=True)), **to_wire(row.usage)} for row in rows
    ]
    data = {"rows": listed, "total": to_wire(total(rows))}
    write_json(orjson.dumps(data, option=orjson.OPT_INDENT_2))
