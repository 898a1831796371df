"""Values: ids, messages, steps, edits, grants, events, errors.

Knows nothing of the rest of the package, of files, editors, models or WebAssembly, and does no IO. Every value is
immutable, comparable and made of plain data, so that it can be journalled and sent to another process.
"""
