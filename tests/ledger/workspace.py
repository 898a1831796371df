"""What is promised of the workspace capability."""

REQUIREMENTS: dict[str, str] = {
    "workspace:paths-inside": "A path that leaves the workspace (`..`, absolute, drive, UNC) is refused. [issue 2, done when]",
    "workspace:symlinks-inside": "A link that leads out is refused, in a parent and for a new file too. [issue 2, done when]",
    "workspace:private-folders": "The folders of git and of Vespiary are closed to agents, in every spelling. [wit/workspace.wit]",
    "workspace:raced-links": "A link put in a path's place while it is used does not lead out. [issue 2, done when]",
    "workspace:buffers-first": "What is read, listed and searched is the open buffer, else the file. [issue 2, point 7]",
    "workspace:text-only": "Binary and too large files are refused with codes of their own. [wit/workspace.wit]",
    "workspace:round-trip": "Byte order marks, line endings, permissions and links stay as they were. [issue 2, point 8]",
    "workspace:stale": "An edit made against another text is refused as stale and changes nothing. [issue 2, done when]",
    "workspace:once": "An edit is applied once, however often it is asked for. [architecture, The step]",
    "workspace:again": "A change made again after a crash ends as if there had been none: files, answer, what is told. [issue 3]",
    "workspace:atomic": "A file on disk is changed at once or not at all, and confirmed by reading it. [issue 2, point 8]",
    "workspace:serial": "Changes to one file wait for one another. [architecture, Changes]",
    "workspace:told": "What became of every proposal is told with its diff, and what changed is noted. [issue 2, point 7]",
    "workspace:grants": "Reads and writes need their grants, and a plan writes nothing. [issue 2, point 7]",
    "workspace:ignored": "Listing and search leave out what git ignores. [wit/workspace.wit]",
    "workspace:globs-bounded": "No glob or ignore rule makes matching slow. [issue 2, done when]",
    "workspace:regex-bounded": "A regular expression that would run for ever is stopped, and holds up nobody. [issue 2, done when]",
    "workspace:requests": "A malformed request is refused with a sentence that names the field. [wit/workspace.wit]",
    "workspace:agents": "Making and ending agents needs a grant and is left to the run. [wit/agents.wit]",
}
