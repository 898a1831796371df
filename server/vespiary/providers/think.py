"""Thinking that a model prints into its text, `<think>...</think>` at the very beginning, told apart from what it says. Pure."""

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkSplitter:
    """Feed it text in pieces; it gives pieces, and whether each is thinking. Only the tags and the blanks around them are lost."""

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """The pieces that can be told apart by now."""
        if self._state == "text":
            return [(False, text)]
        self._held += text
        found: list[tuple[bool, str]] = []
        if self._state == "start":
            bare = self._held.lstrip()
            if len(bare) < len(_OPEN) and _OPEN.startswith(bare):
                return found
            if not bare.startswith(_OPEN):
                return self.end()
            self._state, self._held = "thinking", bare[len(_OPEN) :]
        if self._state == "thinking":
            thought, closed, rest = self._held.partition(_CLOSE)
            if not closed:
                keep = overlap(self._held, _CLOSE)
                thought, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
                return [(True, thought)] if thought else found
            if thought:
                found.append((True, thought))
            self._state, self._held = "after", rest
        rest = self._held.lstrip("\r\n")
        self._held = ""
        if rest:
            self._state = "text"
            found.append((False, rest))
        return found

    def end(self) -> list[tuple[bool, str]]:
        """What was held back; the text is over, or has no thinking."""
        held, thinking = self._held, self._state == "thinking"
        self._state, self._held = "text", ""
        return [(thinking, held)] if held else []


def overlap(text: str, tag: str) -> int:
    """How many characters at the end of the text may be the beginning of the tag."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0
