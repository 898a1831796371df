"""Behaviours of budgets, prices and the report of usage."""

REQUIREMENTS: dict[str, str] = {
    "budgets:before-each-call": "Every model call is checked first, tool rounds included; a refused one reaches nobody. "
    "[issue 3, 8]",
    "budgets:limits": "Tokens per call, tokens per run and cost per run are limited, per agent and per run. [issue 3, 8]",
    "budgets:tools-counted": "The schemas of tools count as what a call reads. [issue 3, 8]",
    "budgets:abort": "`abort` ends the task with a code, what was said so far, the files and the usage. [issue 3, 8]",
    "budgets:warn": "`warn` says so once per limit and goes on. [issue 3, 8]",
    "budgets:parallel": "Calls that are under way at once do not overshoot together. [issue 3, 8]",
    "budgets:rebuilt": "A ledger fed with recorded facts is the ledger that was, and repeats no warning. [issue 3, 8: persisted]",
    "budgets:uncounted": "Where a provider does not count, a marked estimate does; a broken-off reply is paid for. [issue 3, 8]",
    "budgets:children": "A child's calls count against the run and its own agent. [issue 3, 8]",
    "budgets:prices": "Cost comes from the configuration or the price list; unknown is not zero. [issue 3, 8]",
    "budgets:config": "A budget that cannot be meant is an error with its place. [issue 3, 8]",
    "budgets:never-wider": "A workspace's file never widens the budget of the person's own file. [untrusted by default]",
    "budgets:usage-told": "Usage and cost per agent are in events, in the run's end and on the terminal. [issue 3, 8]",
    "budgets:report": "Usage is added up by agent, model, run, day and session, as a table, columns or JSON. [issue 3, 8]",
}
