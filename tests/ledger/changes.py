"""What is promised of changes to texts."""

REQUIREMENTS: dict[str, str] = {
    "changes:diff-apply": "The edits between two texts turn the one into the other, exactly. [issue 2, point 7]",
    "changes:inverse": "The inverse of edits takes the new text back to the old one, exactly. [architecture, Changes]",
    "changes:edit-shape": "Edits ascend, do not touch, and split neither CRLF nor a surrogate pair. [model/edits.py]",
    "changes:edit-small": "Edits cover only the characters that changed, so that cursors and undo stay local. [issue 2, point 7]",
    "changes:diff-bounded": "Comparing large and wholly different texts takes bounded time. [issue 2, point 4]",
    "changes:unified": "A unified diff is one that `git apply` takes, missing final newlines included. [issue 2, point 6]",
    "changes:lines": "Lines end at LF, CRLF and CR only, as the language server protocol says. [LSP 3.17, Text Documents]",
    "changes:positions": "Offsets become lines and characters in UTF-8, UTF-16 and UTF-32 units and back. [issue 2, point 7]",
}
