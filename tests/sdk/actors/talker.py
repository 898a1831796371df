"""Prints, logs and warns in every way."""

import logging
import sys
import warnings

from vespiary_sdk import Actor, Message, on

print("at import")


class Talker(Actor):
    def __init__(self, config: dict[str, object]) -> None:
        super().__init__(config)
        print("in the constructor")

    @on("talk")
    def talk(self, message: Message) -> None:
        print("one\ntwo")
        sys.stdout.buffer.write(b"bytes\n")
        print("to stderr", file=sys.stderr)
        self.log()
        warnings.warn("beware", stacklevel=1)
        print("half a li\ud800ne", end="", flush=True)

    def log(self) -> None:
        library = logging.getLogger("some.library")
        library.debug("debugged")
        library.info("%d informed", 1)
        logging.error("failed")
