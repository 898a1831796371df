"""Keeping the beginning and the end of a stream of bytes of any length in bounded memory. Knows nothing of processes."""

import codecs


class HeadTail:
    """Collects bytes: all of them up to `cap`, else the first and the last half of that many."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._head_cap = (cap + 1) // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._tail_cap = cap - self._head_cap
        self.total = 0
        """Bytes seen."""

    @property
    def truncated(self) -> bool:
        """Whether anything was left out."""
        return self.total > self._cap

    def add(self, data: bytes) -> None:
        """Take more bytes."""
        self.total += len(data)
        room = self._head_cap - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if len(data) >= self._tail_cap:
            self._tail[:] = data[len(data) - self._tail_cap :]
            return
        self._tail += data
        # Cut now and then only, so that many small pieces cost linear time.
        if len(self._tail) > 2 * self._tail_cap + 4096:
            del self._tail[: -self._tail_cap or None]

    def text(self) -> str:
        """What was kept, as text. Invalid UTF-8 is replaced; a cut says how much it left out, and splits no character."""
        tail = bytes(self._tail[max(0, len(self._tail) - self._tail_cap) :])
        if not self.truncated:
            return (bytes(self._head) + tail).decode("utf-8", "replace")
        head = codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(self._head))
        skip = 0
        while skip < min(3, len(tail)) and tail[skip] & 0xC0 == 0x80:
            skip += 1
        left_out = self.total - self._cap
        return f"{head}\n[... {left_out:,} bytes left out ...]\n{tail[skip:].decode('utf-8', 'replace')}"
