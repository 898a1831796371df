"""What is promised of commands."""

REQUIREMENTS: dict[str, str] = {
    "command:outcome": "A command's answer says how it ended: code, signal, timeout, or why it could not start. [wit/command.wit]",
    "command:grant": "Without the grant, and in a plan, no command runs; the refusal names the key. [issue 2, point 6]",
    "command:output": "Both streams are read at once and kept to their beginnings and ends; a cut is flagged. [issue 2, point 6]",
    "command:no-sigpipe": "A command that writes more than is kept ends as it would anyway. [issue 2, point 6]",
    "command:group": "A timeout or a cancel ends the whole process group, even one that ignores signals. [wit/command.wit]",
    "command:no-hang": "A background process that keeps a pipe open does not keep the command from ending. [issue 2, point 6]",
    "command:exit": "What still runs is ended when the host exits. [issue 2, point 7]",
    "command:killed-host": "What still runs is ended when the host is killed, within a second or two. [issue 3]",
    "command:secrets": "The environment of a command holds none of the host's secrets. [wit/command.wit]",
    "command:unsaved": "An answer names the open documents whose unsaved changes the program did not see. [wit/command.wit]",
    "command:cwd": "A command runs in a folder of the workspace only. [wit/command.wit]",
}
