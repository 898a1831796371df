"""`vespiary journal list`, `show`, `dead`: what is kept, for people and for programs. Changes nothing."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vespiary.app.kept import Kept, KeptRun, open_kept
from vespiary.fronts.cli.amounts import used
from vespiary.fronts.cli.errors import say
from vespiary.fronts.cli.kept import (
    NONE_YET,
    counted,
    kept,
    line,
    print_json,
    print_table,
    size,
    when,
    write_lines,
)
from vespiary.fronts.cli.terminal import plain, write_json
from vespiary.model.wire import to_wire


def list_kept(folder: Path, *, as_json: bool) -> None:
    """Print the runs, the newest first."""
    with open_kept(folder.resolve()) as journal:
        runs = [] if journal is None else journal.runs()
        notices = () if journal is None else journal.notices
        if as_json:
            print_json([to_wire(run) for run in runs])
        elif not runs:
            say(NONE_YET if journal is None else "The journal has no runs.")
        else:
            print_table(
                ("run", "state", "agent", "session", "when", "entries", "size", "task"),
                (
                    (
                        run.run_id,
                        run.state.value,
                        run.agent,
                        run.session or "",
                        when(run.created),
                        f"{run.entries:,}",
                        size(run.size),
                        line(run.prompt),
                    )
                    for run in runs
                ),
                right=("entries", "size"),
            )
        for notice in notices:
            say(f"vespiary: {notice}")


def show_run(folder: Path, run: str, *, entries: bool, events: bool, as_json: bool) -> None:
    """Print what is kept of a run."""
    with kept(folder) as journal:
        found = journal.run(run)
        if as_json:
            _json(journal, found, entries=entries, events=events)
            return
        if entries or events:
            if entries:
                write_lines(f"{number:>6}  {plain(entry_line(entry))}" for number, entry in journal.entries(run))
            if events:
                write_lines(f"{seq:>6}  {plain(event_line(data))}" for seq, data in journal.events(run))
            return
        write_lines(map(plain, _summary(journal, found)))


def show_dead(folder: Path, run: str | None, *, as_json: bool) -> None:
    """Print dead letters."""
    with kept(folder) as journal:
        letters = journal.dead(run)
        if as_json:
            print_json([dataclasses.asdict(letter) for letter in letters])
        elif not letters:
            say("There are no dead letters.")
        else:
            print_table(
                ("run", "when", "for", "from", "what", "why", "content"),
                (
                    (
                        letter.run,
                        when(letter.time / 1e9),
                        letter.receiver or "nobody",
                        letter.sender or "the host",
                        letter.type,
                        line(letter.reason),
                        line(letter.payload),
                    )
                    for letter in letters
                ),
            )


def _summary(journal: Kept, run: KeptRun) -> Iterator[str]:
    info = journal.info(run.run_id)
    yield f"run      {run.run_id}"
    yield f"state    {run.state.value}"
    yield f"agent    {run.agent}"
    yield f"mode     {run.mode.value}"
    if run.session:
        yield f"session  {run.session}"
    yield f"begun    {when(run.created)}"
    if info.finished is not None:
        yield f"ended    {when(info.finished)}"
    yield f"task     {_indented(run.prompt)}"
    if info.text:
        yield f"answer   {_indented(info.text)}"
    if info.problem is not None:
        yield f"problem  {info.problem.message}"
    for file in info.files:
        yield f"file     {file.change.value} {file.path}" + (f" (was {file.was})" if file.was else "")
    from vespiary.app.usage import By, report

    for row in report(journal.usage(run=run.run_id), [By.AGENT, By.MODEL]):
        yield f"usage    {row.key[0]} · {row.key[1]} · {used(row.usage)}"
    kinds = Counter(str(entry[0]) for _, entry in journal.entries(run.run_id))
    there = counted(sum(kinds.values()), "entry", "entries")
    cut = f", from {run.first} on" if run.first > 1 else ""
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    yield f"entries  {there}{cut}, {size(run.size)}" + (f": {told}" if told else "")
    yield f"events   {sum(1 for _ in journal.events(run.run_id)):,}"
    if letters := journal.dead(run.run_id):
        yield f"dead     {counted(len(letters), 'letter')}: `vespiary journal dead {run.run_id}`"


def _indented(text: str) -> str:
    return "\n         ".join(text.strip().splitlines())


def _json(journal: Kept, run: KeptRun, *, entries: bool, events: bool) -> None:
    if not (entries or events):
        kinds = Counter(str(entry[0]) for _, entry in journal.entries(run.run_id))
        print_json(
            {
                **to_wire(run),
                "info": to_wire(journal.info(run.run_id)),
                "entryKinds": dict(kinds),
                "events": sum(1 for _ in journal.events(run.run_id)),
                "dead": len(journal.dead(run.run_id)),
            }
        )
        return
    import orjson

    wanted = {"entry"} if entries else set[str]()
    wanted |= {"event"} if events else set[str]()
    for each in journal.export(run.run_id):
        if each["kind"] in wanted:
            write_json(orjson.dumps(each))


def entry_line(entry: Any) -> str:
    """An entry in one line."""
    match list(entry):
        case ["step", actor, step, _, _, body, outputs, failure, _, _]:
            came = _outputs(outputs)
            end = f" failed ({failure[0]}): {line(str(failure[1]), 120)}" if failure else ""
            return f"step    {actor} {step}: {_input(body)}{end}" + (f" → {came}" if came else "")
        case ["spawn", scope, name, parent, actors, *_]:
            under = f" under {parent}" if parent else ""
            return f"spawn   {scope}: {name}, {counted(len(actors), 'actor')}{under}"
        case ["answer", actor, request, ok, payload]:
            return f"answer  {actor} {request}{'' if ok else ' refused'}: {line(str(payload), 120)}"
        case ["post", scope, message_type, payload]:
            return f"post    {scope}: {message_type} {line(str(payload), 120)}"
        case [kind, *rest]:
            return f"{kind:<7} {line(' '.join(map(str, rest)), 160)}"
        case _:
            return "?"


_INPUTS = ("construct", "message", "answer", "snapshot", "restore", "destroy")


def _input(body: Any) -> str:
    kind = body[0]
    name = _INPUTS[kind] if isinstance(kind, int) and 0 <= kind < len(_INPUTS) else "?"
    if name == "message":
        return f"{body[2]} from {body[3]}"
    return f"answer to {body[1]}" if name == "answer" else name


_OUTPUTS = ("message", "request", "cancel", "log line")


def _outputs(outputs: "list[list[Any]]") -> str:
    named = [str(each[2]) if each[0] in (0, 1) else _OUTPUTS[each[0]] for each in outputs if each[0] in (0, 1, 2, 3)]
    return ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in Counter(named).items())


def event_line(data: bytes) -> str:
    """An event in one line."""
    import orjson

    try:
        event: dict[str, Any] = orjson.loads(data)
    except ValueError:
        return line(data.decode("utf-8", "replace"), 160)
    kind = event.pop("kind", "?")
    for known in ("seq", "runId", "time", "scope"):
        event.pop(known, None)
    agent = event.pop("agent", "")
    rest = " ".join(
        f"{key}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for key, value in event.items()
        if value not in (None, "", [], {})
    )
    return f"{kind:<14} {agent}: {line(rest, 160)}"
