"""Text that comes in pieces, broken between words at a terminal's width.

Knows the width of characters; knows nothing of events, styles and streams.
"""

from rich.cells import cell_len


class Flow:
    """Holds a word back until it is known to fit on the line. What `feed` and `end` give, joined, is the text with line breaks."""

    def __init__(self) -> None:
        self._column = 0
        self._gap = ""
        self._word = ""
        self._cells = 0

    @property
    def at_line_start(self) -> bool:
        """Whether nothing stands on the current line, and nothing is held back for it."""
        return self._column == 0 and not self._word and not self._gap

    def feed(self, text: str, width: int) -> str:
        """More text; gives what of it can be shown by now, on lines of at most `width` cells. Longer words are not broken."""
        out: list[str] = []
        for character in text:
            if character == "\n":
                out += [self._flush(width), "\n"]
                self._column, self._gap = 0, ""
            elif character in " \t":
                out.append(self._flush(width))
                self._gap += " " if character == " " else "    "
            else:
                cells = cell_len(character)
                # Ideographs and the like stand for themselves: a line may end before and after each. So may a word at the width.
                if cells > 1 or self._cells + cells > width:
                    out.append(self._flush(width))
                self._word += character
                self._cells += cells
                if cells > 1:
                    out.append(self._flush(width))
        return "".join(out)

    def end(self, width: int) -> str:
        """What was held back. The current line stays open."""
        return self._flush(width)

    def reset(self) -> None:
        """Somebody else has ended the line."""
        self._column, self._gap = 0, ""

    def _flush(self, width: int) -> str:
        word, cells, gap = self._word, self._cells, self._gap
        if not word:
            return ""
        self._word, self._cells, self._gap = "", 0, ""
        if self._column and self._column + len(gap) + cells > width:
            self._column = cells
            return f"\n{word}"
        self._column += len(gap) + cells
        return f"{gap}{word}"
