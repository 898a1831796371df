"""Pure functions on text: diff, hunks, apply, inverse. Knows nothing of files or editors, does no IO and cannot fail half-way."""
