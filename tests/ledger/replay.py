"""What is promised of replaying runs."""

REQUIREMENTS: dict[str, str] = {
    "replay:identical": "Every recorded step of a run, given to a fresh sandbox again, gives the same bytes. [issue 3]",
    "replay:failures": "A replay brings actors back as the run did; failures from outside are skipped and counted. [issue 3]",
    "replay:divergence": "The first step that does not repeat is told with both sides; another build is told first. [issue 3]",
    "replay:until": "A replay stops where it is told to, and shows the actor's state, what waits for it and its log. [issue 3]",
    "replay:cut": "A run whose beginning was let go is refused with the reason. [issue 3]",
    "replay:hostile": "Entries that make no sense are an error with their number, never a traceback. [issue 3]",
    "replay:command": "`vespiary replay` exits with 0 if a run repeats and 1 if not, for people and as JSON. [issue 3]",
    "replay:fold": "Folding any prefix of a run's log gives the run as it stood live at that point. [issue 3]",
    "replay:resume": "A run that is stopped at any entry and resumed ends in the same state as one that is not. [issue 3]",
}
