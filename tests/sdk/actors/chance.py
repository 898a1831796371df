"""Asks for everything that differs from one process to another."""

import datetime
import os
import random
import secrets
import time
import uuid

from vespiary_sdk import Actor, Message, messaging, on


class Chance(Actor):
    @on("facts")
    def facts(self, message: Message) -> None:
        words = {f"word {number}" for number in range(30)}
        facts = {
            "random": [random.random(), random.randint(1, 10**9), random.gauss(0, 1), random.sample(range(100), 5)],
            "fresh": random.Random().random(),
            "uuid": str(uuid.uuid4()),
            "uuid1": str(uuid.uuid1()),
            "secret": secrets.token_hex(8),
            "bytes": os.urandom(4).hex(),
            "time": time.time(),
            "nanoseconds": time.time_ns(),
            "monotonic": time.monotonic(),
            "perf": time.perf_counter(),
            "year": datetime.datetime.now().isoformat(),
            "words": list(words),
            "hash": hash("text"),
            "id": id(message),
            "repr": repr(object()),
        }
        messaging.send("facts", facts)

    @on("draw")
    def draw(self, message: Message) -> None:
        messaging.send("drew", [random.random() for _ in range(message.payload)] + [random.gauss(0, 1)])

    @on("seeded")
    def seeded(self, message: Message) -> None:
        random.seed(7)
        messaging.send("drew", [random.random(), random.randint(0, 99)])
