"""An actor at work: what the host's five calls do. The same for the component and for the fake host.

Runs every handler as a task, collects the failures of a step, dispatches tool calls. Nothing that an author's code does gets
past it.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

from vespiary_sdk import _runtime, messaging
from vespiary_sdk._actor import Actor, Handler, Message, handlers_of
from vespiary_sdk._failures import brief, explain
from vespiary_sdk._loop import StepLoop
from vespiary_sdk._port import Port
from vespiary_sdk._tools import Call, ToolInfo, current_call, result_text, tools_of
from vespiary_sdk.errors import ActorError, CapabilityError, ToolError

TOOL_CALL = "vespiary.tool.call"
TOOL_CANCEL = "vespiary.tool.cancel"
TOOL_STATUS = "vespiary.tool.status"
TOOL_RESULT = "vespiary.tool.result"

HOST_SCOPE = "000000"
CANCELLED = "The call was cancelled."


class Instance:
    """One actor, made by `make`. Methods that the host calls raise `ActorError` or nothing."""

    def __init__(self, port: Port, make: Callable[[], Actor]) -> None:
        self._runtime = _runtime.Runtime(port, StepLoop(port))
        self._failures: list[dict[str, str]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._calls: dict[str, asyncio.Task[Any]] = {}
        self._actor: Actor | None = None
        self._error: str | None = None
        self._tools: dict[str, ToolInfo] = {}
        self._handlers: list[Handler] = []
        self._step(lambda: self._make(make))
        self._born: set[asyncio.Task[Any]] = asyncio.all_tasks(self._runtime.loop)
        """What the constructor set going: a new instance's constructor does so again."""

    # The host's calls

    def describe(self) -> str:
        """Tools and subscriptions as JSON. Raises `ActorError` saying why the actor cannot work."""
        if self._error is not None:
            raise ActorError(self._error)
        subscriptions = [{"pattern": handler.pattern, "extent": handler.extent} for handler in self._handlers]
        if self._tools:
            subscriptions += [{"pattern": name, "extent": "own"} for name in (TOOL_CALL, TOOL_CANCEL)]
        tools = [tool.as_json() for tool in self._tools.values()]
        return _runtime.to_json({"tools": tools, "subscriptions": subscriptions})

    def handle(self, id: str, message_type: str, sender: str, scope: str, payload: str) -> str | None:
        """Deliver a message. Gives the failures of the step as JSON, or none."""
        return self._step(lambda: self._deliver(id, message_type, sender, scope, payload))

    def reply(self, request: int, ok: bool, payload: str) -> str | None:
        """Deliver an answer. Gives the failures of the step as JSON, or none."""
        return self._step(lambda: self._runtime.loop.answer(request, ok, payload))

    def snapshot(self) -> str | None:
        """The state as JSON text; none while something waits, and when the actor cannot tell it.

        None makes the host keep all that the actor was sent, so that it can be told again; a state lets go of it. So nothing is a
        state that does not give the whole actor back.
        """
        actor = self._actor
        if actor is None or not _overrides(actor.snapshot, Actor.snapshot) or self._waits():
            return None
        found: list[str] = []

        def take() -> None:
            try:
                state = _runtime.to_json(actor.snapshot())
                if state != "null" and not _overrides(actor.restore, Actor.restore):
                    raise ActorError(
                        f"{type(actor).__name__} has `snapshot` without `restore`: its state would be lost."
                    )
                found.append(state)
            except BaseException as error:  # noqa: BLE001 - the actor boundary
                self._runtime.port.log("error", f"snapshot failed:\n{explain(error)}")

        self._step(take)
        return found[0] if found else None

    def restore(self, state: str) -> None:
        """Give the actor its state back. Raises `ActorError`."""
        actor = self._actor
        if actor is None:
            raise ActorError(self._error or "The actor was not made.")
        errors: list[str] = []

        def give() -> None:
            try:
                actor.restore(json.loads(state))
            except BaseException as error:  # noqa: BLE001 - the actor boundary
                errors.append(explain(error))

        self._step(give)
        if errors:
            raise ActorError(f"The actor could not take its state back:\n{errors[0]}")

    def _waits(self) -> bool:
        """Whether anything is under way that a state cannot tell: a handler, a request, a task of the actor's own making."""
        loop = self._runtime.loop
        return bool(self._tasks) or loop.busy or not asyncio.all_tasks(loop) <= self._born

    # Within a step

    def _step(self, work: Callable[[], None]) -> str | None:
        failures: list[dict[str, str]] = []
        self._failures = failures
        before = _runtime.enter(self._runtime)
        try:
            self._runtime.loop.run(work)
        finally:
            _runtime.enter(before)
        return _runtime.to_json(failures) if failures else None

    def _make(self, make: Callable[[], Actor]) -> None:
        try:
            actor = make()
            cls = type(actor)
            self._tools = tools_of(cls)
            self._handlers = handlers_of(cls)
            self._actor = actor
        except ActorError as error:
            self._error = str(error)
        except BaseException as error:  # noqa: BLE001 - the actor boundary
            self._error = explain(error)

    def _deliver(self, id: str, message_type: str, sender: str, scope: str, payload: str) -> None:
        if self._actor is None:
            self._failures.append({"message": id, "error": self._error or "The actor was not made."})
            return
        try:
            message = Message(id, message_type, sender, scope, json.loads(payload))
        except ValueError as error:
            self._failures.append({"message": id, "error": f"The payload of {message_type} is not JSON: {error}"})
            return
        if self._tools and message_type in (TOOL_CALL, TOOL_CANCEL) and scope == self._runtime.port.scope():
            self._tool_message(message)
        wanted = [handler for handler in self._handlers if handler.wants(message_type)]
        if (
            any(handler.extent != "own" for handler in wanted)
            and scope != HOST_SCOPE
            and scope != self._runtime.port.scope()
        ):
            # Most likely heard because of the wider subscription; the envelope does not say where it was published.
            wanted = [handler for handler in wanted if handler.extent != "own"]
        for method in dict.fromkeys(handler.method for handler in wanted):
            self._start(id, self._guarded(id, getattr(self._actor, method), message))

    def _start(self, id: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[Any]":
        def ended(task: "asyncio.Task[Any]") -> None:
            self._tasks.discard(task)
            # What the handler could not tell itself: an answer that the host refused, or a stray GeneratorExit.
            if not task.cancelled() and (error := task.exception()) is not None:
                self._fail(id, error)

        task = self._runtime.loop.start(work)
        if task.done():  # most handlers wait for nothing
            ended(task)
        else:
            self._tasks.add(task)
            task.add_done_callback(ended)
        return task

    async def _guarded(self, id: str, handler: Callable[[Message], Any], message: Message) -> None:
        try:
            result = handler(message)
            if result is not None and inspect.isawaitable(result):
                await result
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - the actor boundary: a handler fails, the actor lives
            self._fail(id, error)

    def _fail(self, id: str, error: BaseException) -> None:
        self._failures.append({"message": id, "error": _runtime.clean(explain(error))})

    # Tools

    def _tool_message(self, message: Message) -> None:
        payload = cast("dict[str, Any]", message.payload) if isinstance(message.payload, dict) else {}
        call = payload.get("call")
        if not isinstance(call, str):
            self._failures.append({"message": message.id, "error": f"{message.type} has no text `call`."})
        elif message.type == TOOL_CANCEL:
            task = self._calls.get(call)
            if task is not None:
                task.cancel()
        elif call not in self._calls and (tool := self._tools.get(str(payload.get("name")))) is not None:
            task = self._start(
                message.id, self._call(message.id, Call(call, tool.name), tool, payload.get("arguments"))
            )
            self._calls[call] = task
            task.add_done_callback(lambda _: self._calls.pop(call, None))

    async def _call(self, id: str, call: Call, tool: ToolInfo, given: Any) -> None:
        current_call.set(call)
        problems: list[str] = []
        arguments = tool.arguments.take({} if given is None else given, "", problems)
        if problems:
            told = "\n".join(f"- {problem}" for problem in problems)
            _answer(call, False, f"The arguments of {tool.name} are not valid; nothing was done.\n{told}")
            return
        try:
            status = {"call": call.id, "name": call.name, "state": "running"}
            title = tool.title_for(arguments)
            messaging.send(TOOL_STATUS, {**status, "title": title} if title else status)
            value = getattr(self._actor, tool.method)(**arguments)
            if inspect.isawaitable(value):
                value = await value
            _answer(call, True, result_text(value))
        except (ToolError, CapabilityError) as error:
            _answer(call, False, str(error))
        except asyncio.CancelledError:
            _answer(call, False, CANCELLED)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - the actor boundary: told to the model and to the author
            self._fail(id, error)
            _answer(call, False, f"{tool.name} failed: {brief(error)}")


def _overrides(method: Callable[..., Any], base: Callable[..., Any]) -> bool:
    """Whether a method of an actor is the author's own."""
    return getattr(method, "__func__", method) is not base


def _answer(call: Call, ok: bool, content: str) -> None:
    result = {"call": call.id, "name": call.name, "ok": ok, "content": content}
    try:
        messaging.send(TOOL_RESULT, result)
    except CapabilityError as error:
        if len(content) < 1000:
            raise
        # Most likely more output than a step may have. The model must hear something.
        messaging.send(TOOL_RESULT, {**result, "ok": False, "content": f"The result could not be sent: {error}"})
