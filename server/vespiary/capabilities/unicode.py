"""Texts from models that are not sound Unicode: halves of surrogate pairs, which JSON can write down and UTF-8 cannot carry.

Some servers cut a character beyond the basic plane into its halves and send them one after the other. Pure.
"""


def sound(text: str) -> str:
    """The text with its halves joined; one without its other half becomes U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Voice:
    """One text in pieces: feed it as it comes. A first half at the end of a piece waits for the other one."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """What is sound by now."""
        if not self._held and piece.isascii():
            return piece
        text = self._held + piece
        self._held = ""
        if text and 0xD800 <= ord(text[-1]) < 0xDC00:
            text, self._held = text[:-1], text[-1]
        return sound(text)
