"""What the app layer promises: runs, their events, containment."""

REQUIREMENTS = {
    "app:one-run-everywhere": "The same run works in process, over stdio and headless, and tells the same events. [issue 2]",
    "app:events-numbered": "Events are numbered from 1 without gaps; the last carries outcome, text, usage and files. [issue 2, 7]",
    "app:plan-mode": "A run in plan mode writes nothing. [issue 2, 7]",
    "app:hostile-actor": "A hostile actor is contained: the run says what happened, and the next run works. [issue 2, done when]",
    "app:net-changes": "The files of a run are the net effect of its changes. [issue 2, 7]",
    "app:prompt-context": "A task's file, selection and diagnostics reach the agent. [issue 2, 7]",
    "app:cancel": "Cancelling a run stops its model call and ends it within a second. [issue 2, 4]",
    "app:model-trouble": "429 with Retry-After, 500, a cut stream and garbage are survived or told clearly. [issue 2, done when]",
    "app:unknown-agent": "An unknown agent or a missing model is told at once, with what to do. [issue 2, 10]",
    "app:narrow-grants": "A child agent never has more than its parent. [architecture, grants]",
    "cli:exit-codes": "`vespiary run` exits with 0 done, 1 failed, 2 usage or configuration, 130 interrupted. [issue 2, 8]",
    "cli:stdin-prompt": "A prompt on standard input works. [issue 2, 8]",
    "cli:demo": "`vespiary demo` shows an agent read, edit and test until the tests pass, and prints the diff. [issue 2, 9]",
    "cli:trust": "`vespiary trust` lets a workspace's own file grant power until it changes. [issue 2, untrusted by default]",
    "cli:safe-terminal": "Nothing that a model, tool or file says controls the terminal. [issue 2, 8]",
    "cli:output-lost": "A run whose output nobody reads any more is cancelled, without a traceback. [issue 2, 8]",
    "cli:commands-end": "When vespiary is interrupted or told to end, the commands of its run end with it. [issue 2, 4 and 8]",
    "app:silent-agent": "A run in which nothing can happen any more fails and says so; it never hangs. [issue 2, done when]",
    "app:model-without-bounds": "A reply too long, with too many calls or of half characters is survived or reported. [issue 2, 5]",
    "app:fixed-cast": "A run's agents are those that its files described when it began. [issue 2, untrusted by default]",
}
