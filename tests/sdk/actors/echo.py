from vespiary_sdk import Actor, Message, messaging, on


class Echo(Actor):
    @on("say")
    def say(self, message: Message) -> None:
        messaging.send("said", TEXT)  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
