"""Server-sent events, from bytes that arrive cut anywhere. Pure; knows nothing of what the events hold.

Only `data` matters to chat streams; comments, names, ids and unknown fields are passed over, as the standard asks.
"""

import codecs

MAX_EVENT = 16 * 1024 * 1024
"""Characters of one event; a longer one is not a chat stream."""


class EventTooLong(ValueError):
    """An event grew beyond `MAX_EVENT`."""


class EventParser:
    """Feed it bytes, get the data of the events that are complete."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._data: list[str] = []
        self._size = 0
        self._begun = False

    def feed(self, more: bytes) -> list[str]:
        """The data of each event that these bytes completed, in order."""
        return self._take(self._decoder.decode(more))

    def end(self) -> list[str]:
        """The stream is over: the data of an event that only lacks its blank line. Many servers leave that out."""
        events = self._take(self._decoder.decode(b"", final=True) + "\n\n")
        self._rest = ""
        return events

    def _take(self, text: str) -> list[str]:
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        text = self._rest + text
        self._rest = ""
        if text.endswith("\r"):
            # It may be half of a line end.
            text, self._rest = text[:-1], "\r"
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        *lines, rest = text.split("\n")
        self._rest = rest + self._rest
        events: list[str] = []
        for line in lines:
            if line:
                self._line(line)
            elif self._data:
                events.append("\n".join(self._data))
                self._data.clear()
                self._size = 0
        if self._size + len(self._rest) > MAX_EVENT:
            raise EventTooLong
        return events

    def _line(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name == "data":
            value = value.removeprefix(" ")
            self._data.append(value)
            self._size += len(value)
            if self._size > MAX_EVENT:
                raise EventTooLong
