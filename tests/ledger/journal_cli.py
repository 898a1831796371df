"""What is promised of the commands about what is kept: journal, session, tokens."""

REQUIREMENTS: dict[str, str] = {
    "journal-cli:list": "`vespiary journal` lists runs and shows one, for people, for pipes and as JSON. [issue 3]",
    "journal-cli:none": "A workspace in which nothing is kept says so: no error to a list, exit 2 for a named run. [issue 3]",
    "journal-cli:hostile": "Ids are only names; a damaged or foreign journal is told, unchanged, and never a traceback. [issue 3]",
    "journal-cli:export": "A run is exported whole, as JSON lines, to a file that only its owner reads. [issue 3]",
    "journal-cli:prune": "Pruning forgets what it is told to, never a run that a living process works on, and says so. [issue 3]",
    "journal-cli:pruned-after-runs": "After a run the oldest are forgotten, as `[journal]` says. [issue 3]",
    "journal-cli:tokens": "`vespiary tokens report` adds up model calls, of pruned runs too. [issue 3]",
    "journal-cli:options": "Options that would have no effect are refused. [issue 3]",
    "cli:suspend": "A polite end from elsewhere suspends a run, and says how it goes on. [issue 3]",
    "cli:resume": "`vespiary run --resume` goes on with an interrupted run; its events are numbered on. [issue 3]",
    "cli:sessions": "A conversation goes on by id or as the latest, is shown, forked and forgotten. [issue 3]",
}
