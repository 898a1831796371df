"""Behaviours of the configuration and of trust."""

REQUIREMENTS: dict[str, str] = {
    "config:trust-patterns": "A script with regular expressions, which can run for ever, needs trust. [untrusted by default]",
    "config:defaults": "An empty workspace offers the agent coder: assistant, files, shell; no command grant. [issue 2, 10]",
    "config:no-model": "Without a model the error says what to write into vespiary.toml. [issue 2, 10]",
    "config:names-place": "Every error names the file, the line, the key and the fix, and all are reported at once. [issue 2, 10]",
    "config:unknown-key": "An unknown key is an error that offers the nearest one. [architecture, configuration]",
    "config:dangling": "A reference to a model, agent or actor that there is not is an error. [architecture, configuration]",
    "config:secrets": "A secret is read from the environment only and is never shown, not even one that was written into the file. "
    "[architecture, configuration]",
    "config:user-file": "The workspace's entries replace the user's of the same name as a whole. [architecture, configuration]",
    "config:untrusted": "An untrusted workspace may not widen grants, name secrets or send text elsewhere; the error lists it all. "
    "[issue 2, 10]",
    "config:borrowed-power": "An untrusted workspace cannot steer a powerful agent of the person's own file. [issue 2, 10]",
    "config:hostile-file": "A hostile configuration is refused soon: no pipe, no slow pattern. [issue 2, 10]",
    "config:trust-content": "Trust holds for one content of the file and the actors and scripts it names. [issue 2, 10]",
    "config:trust-private": "What a person trusts is kept outside of the workspace, atomic and private. [issue 2, 10]",
}
