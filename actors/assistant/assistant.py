"""The actor that talks with a model: it calls the model, has the tools run that the model asks for, and ends with an answer.

Knows the messages of its own agent and how to call a model. Does not know what any tool does, and trusts neither what the model
writes nor what other actors send.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from assistant_history import Call, History, parse_arguments
from assistant_prompt import system_prompt
from assistant_settings import settings
from assistant_tools import Offer, Pending
from vespiary_sdk import Actor, ActorError, CapabilityError, Message, context, llm, log, messaging, on
from vespiary_sdk.llm import Completion

HOST = "000000/host"
CALLS = 64
"""Tool calls of one reply that are run."""
RESULT = 100_000
"""Characters of one tool result that the model gets."""

_EMPTY = "Your last reply was empty. Call a tool, or give your answer in words."
_CUT_CALL = (
    "Your last reply was cut off at the length limit in the middle of a tool call, so nothing of it was run. "
    "Do it again in smaller pieces, for example with several short edits."
)
_CUT_TEXT = (
    "Your last reply was cut off at the length limit. Go on exactly where it stopped, without repeating anything."
)
_HALF = "before it had a result; it may have been done, wholly or in part."


class Failed(Exception):
    """The task cannot go on. `problem` is what the answer says of it."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.problem = _problem(code, message, hint)


class Assistant(Actor):
    """One conversation. It outlives the task that it is about: a later message goes on from there."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._settings = settings(config)
        self._prompt = system_prompt(
            self._settings.prompt, self._settings.agent, self._settings.mode, context.host().os
        )
        self._history = History()
        self._queue: list[str] = []
        """What was said to the agent and the model has not heard yet."""
        self._told: Any = None
        """The tools as the host told them; none before all actors were ready."""
        self._offer = Offer()
        self._pending = Pending()
        self._working: asyncio.Task[Any] | None = None
        """The task that converses, if one does."""
        self._stopped: str | None = None
        """Why the person stopped it, from then until it has ended."""
        self._lost: str | None = None
        """Why an earlier instance of this actor ended, if one did."""

    # What comes in

    @on("vespiary.agent.ready")
    async def ready(self, message: Message) -> None:
        """All actors of the agent are there, and these are their tools."""
        if message.sender != HOST:
            return
        self._told = _fields(message).get("tools") or []
        self._offer = Offer(self._told)
        if not self._queue and self._working is None:
            self._status("waiting")
        await self._work()

    @on("vespiary.agent.message")
    async def asked(self, message: Message) -> None:
        """Somebody says something. While a task is under way, the model hears it with its next call."""
        fields = _fields(message)
        text = fields.get("text")
        if not isinstance(text, str) or not text.strip():
            log.warn(f"A message without text from {message.sender} is left out.")
            if message.sender == HOST and self._working is None:
                self._finish("", _problem("assistant.message", "The task has no text.", "Say what to do."))
            return
        if self._told is None and self._lost is not None:
            self._finish("", _problem("assistant.broken", self._lost, "Start a new run."))
            return
        self._queue.append(text if fields.get("role", "user") == "user" else f"[system] {text}")
        await self._work()

    @on("vespiary.agent.interrupt")
    def interrupt(self, message: Message) -> None:
        """The person wants the task to stop. What was said and done so far stays; without a task nothing happens."""
        if message.sender != HOST:
            return
        reason = str(_fields(message).get("reason") or "no reason was given")
        if self._working is not None:
            if self._stopped is None:
                self._stopped = reason
                self._working.cancel()
        elif self._queue:
            self._finish("", self._interrupted(reason))

    @on("vespiary.tool.result")
    def result(self, message: Message) -> None:
        """A tool has answered. Only actors of the own agent may, and only to a call that waits."""
        if message.scope != context.scope():
            return
        fields = _fields(message)
        call = self._pending.settle(str(fields.get("call")), fields.get("ok") is True, str(fields.get("content", "")))
        if call is not None:
            self._offer.learn(_name(message.sender), call.name)

    @on("vespiary.actor.failed")
    def failed(self, message: Message) -> None:
        """An actor broke. Calls that it held get no other answer than this one."""
        if message.sender != HOST:
            return
        fields = _fields(message)
        actor, reason = str(fields.get("actor")), str(fields.get("message", "it gave no reason"))
        if actor == context.self_id():
            self._broke(reason, kept=fields.get("kept") is True)
        elif actor.startswith(f"{context.scope()}/"):
            for call in self._pending.calls():
                if self._offer.runs(_name(actor), call.name):
                    # Its new instance may still have it, or get it only now: nobody waits for it any more.
                    self._refuse(call, f"The actor that runs {call.name} broke during the call: {reason}")

    def _broke(self, reason: str, *, kept: bool) -> None:
        """This is the new instance, and somebody may wait for the answer of the broken one."""
        if not kept:
            self._lost = f"The assistant broke and was started anew, without its conversation: {reason}"
            if self._working is None:
                self._finish("", _problem("assistant.broken", self._lost, "Give the task again."))
        elif self._working is None and not self._queue:
            told = (
                f"The assistant broke on the last message, which is lost; the conversation before it is kept: {reason}"
            )
            self._finish("", _problem("assistant.broken", told, "Say it again, in other words."))

    # The conversation

    async def _work(self) -> None:
        if self._working is not None or self._told is None:
            return
        self._working = asyncio.current_task()
        try:
            while self._queue:
                await self._task()
        finally:
            self._working = self._stopped = None

    async def _task(self) -> None:
        said: list[str] = []
        try:
            self._finish(await self._converse(said))
        except asyncio.CancelledError:
            task, reason = self._working, self._stopped
            if task is None or reason is None:
                raise
            task.uncancel()
            self._stopped = None
            self._finish(_joined(said), self._interrupted(reason))
        except Failed as error:
            self._finish(_joined(said), error.problem)
        except CapabilityError as error:
            self._finish(_joined(said), _problem(error.code, error.message, error.hint))
        except Exception as error:
            # The actor boundary: whoever waits gets an answer, and the host gets the fault.
            reason = f"The assistant failed: {type(error).__name__}: {error}"
            self._finish(
                _joined(said), _problem("assistant.internal", reason, "This is a fault of the assistant; see its log.")
            )
            raise

    async def _converse(self, said: list[str]) -> str:
        """Talk until the model gives an answer. `said` collects what it says on the way."""
        rounds = corrections = 0
        parts: list[str] = []
        while True:
            if self._queue:
                self._history.say("\n\n".join(self._queue))
                self._queue.clear()
                rounds = corrections = 0
                parts.clear()
            if rounds >= self._settings.max_rounds:
                raise Failed(
                    "assistant.rounds",
                    f"The task took {rounds} model calls without coming to an end, and that is the limit.",
                    "Tell the agent to go on, make the task smaller, or raise max_rounds of the agent in vespiary.toml.",
                )
            rounds += 1
            reply = await self._call_model()
            if reply.text.strip():
                said.append(reply.text)
            if reply.finish == "filter":
                raise Failed(
                    "assistant.filtered",
                    "The provider's content filter stopped the model's reply.",
                    "Put the task in other words, or use another model.",
                )
            correction = await self._take(reply, parts)
            if correction is None:
                if reply.tool_calls:
                    corrections = 0
                    parts.clear()
                elif not self._queue:
                    return "".join([*parts, reply.text])
                continue
            if corrections >= self._settings.max_corrections:
                raise _useless(reply, corrections)
            corrections += 1
            self._history.say(correction)

    async def _call_model(self) -> Completion:
        self._status("thinking")
        return await llm.complete(
            [{"role": "system", "content": self._prompt}, *self._history.messages],
            tools=self._offer.specs or None,
            model=self._settings.model,
            max_tokens=self._settings.max_tokens,
            temperature=self._settings.temperature,
        )

    async def _take(self, reply: Completion, parts: list[str]) -> str | None:
        """Do what a reply asks for. Gives what to tell the model when the reply is of no use; `parts` collects a cut answer."""
        cut = reply.finish == "length"
        if reply.tool_calls and not (cut and _broken(reply)):
            await self._round(reply)
            return None
        self._history.answer(reply)
        if reply.tool_calls:
            return _CUT_CALL
        if not reply.text.strip():
            return _EMPTY
        if cut:
            parts.append(reply.text)
            return _CUT_TEXT
        return None

    async def _round(self, reply: Completion) -> None:
        """Run the calls of a reply, all at once, and keep the results in the order of the calls, however it ends."""
        calls = self._history.calls(reply.tool_calls, self._offer.names)
        results = {call.id: self._pending.open(call) for call in calls}
        seconds = self._settings.tool_timeout_ms / 1000
        try:
            self._status("tools", ", ".join(dict.fromkeys(call.name for call in calls)))
            self._start(calls)
            if not all(future.done() for future in results.values()):
                await asyncio.wait(results.values(), timeout=seconds)
        except asyncio.CancelledError:
            self._keep(reply, calls, results, f"was interrupted by the user {_HALF}")
            raise
        except Exception:
            self._keep(reply, calls, results, f"broke off {_HALF}")
            raise
        self._keep(reply, calls, results, f"did not answer within {seconds:g} s and was cancelled.")

    def _keep(
        self, reply: Completion, calls: list[Call], results: Mapping[str, asyncio.Future[tuple[bool, str]]], open_: str
    ) -> None:
        """Put a round into the conversation. `open_` says what became of calls that wait still; they wait no longer."""
        waiting = self._pending.calls()
        for call in waiting:
            self._pending.settle(call.id, False, f"{call.name} {open_}")
        # The conversation comes first: it must be whole also when nothing can be sent any more.
        self._history.round(reply, [(call, _shown(*results[call.id].result())) for call in calls])
        for call in waiting:
            self._refuse(call, f"{call.name} {open_}")

    def _start(self, calls: list[Call]) -> None:
        for index, call in enumerate(calls):
            refusal = call.problem
            if index >= CALLS:
                refusal = f"One reply may have {CALLS} tool calls; this one was not run. Make it in your next reply."
            if refusal is not None:
                self._answer(call, refusal)
            else:
                messaging.send("vespiary.tool.call", {"call": call.id, "name": call.name, "arguments": call.arguments})

    def _answer(self, call: Call, refusal: str) -> None:
        """The assistant answers a call itself, because no tool will."""
        self._pending.settle(call.id, False, refusal)
        messaging.send("vespiary.tool.result", {"call": call.id, "name": call.name, "ok": False, "content": refusal})

    def _refuse(self, call: Call, refusal: str) -> None:
        """A call that a tool may be busy with gets no answer from it any more."""
        messaging.send("vespiary.tool.cancel", {"call": call.id})
        self._answer(call, refusal)

    def _interrupted(self, reason: str) -> dict[str, str]:
        """Note in the conversation that the person stopped the task, after all that was said."""
        self._history.say("\n\n".join([*self._queue, f"[system] The user stopped the task here ({reason})."]))
        self._queue.clear()
        return _problem(
            "assistant.interrupted", f"The task was stopped: {reason}.", "The conversation is kept: say how to go on."
        )

    def _finish(self, text: str, problem: dict[str, str] | None = None) -> None:
        self._status("done")
        answer: dict[str, Any] = {"outcome": "failed" if problem else "done", "text": text}
        messaging.send("vespiary.agent.done", answer | ({"problem": problem} if problem else {}))

    def _status(self, state: str, detail: str | None = None) -> None:
        messaging.send("vespiary.agent.status", {"state": state} | ({"detail": detail} if detail else {}))

    # State

    def snapshot(self) -> Any:
        """All that matters between two tasks: the conversation, what waits to be said, and what was learnt in this scope."""
        return {
            "version": 1,
            "history": self._history.messages,
            "drawn": self._history.drawn,
            "queue": self._queue,
            "here": {"scope": context.scope(), "tools": self._told, "owners": self._offer.owners, "lost": self._lost},
        }

    def restore(self, state: Any) -> None:
        """Take the conversation up again. In another scope, which is a later run, the tools are what its host will tell."""
        if not isinstance(state, dict) or cast("dict[str, Any]", state).get("version") != 1:
            raise ActorError("The assistant cannot read this state: it was written by another version.")
        known = cast("dict[str, Any]", state)
        self._history = History(known["history"], known["drawn"])
        self._queue = list(known["queue"])
        here = known["here"]
        if here["scope"] == context.scope():
            self._told, self._lost = here["tools"], here["lost"]
            self._offer = Offer(self._told)
            self._offer.owners.update(here["owners"])


def _fields(message: Message) -> dict[str, Any]:
    return cast("dict[str, Any]", message.payload) if isinstance(message.payload, dict) else {}


def _name(actor: str) -> str:
    return actor.partition("/")[2]


def _problem(code: str, message: str, hint: str | None = None) -> dict[str, str]:
    return {"code": code, "message": message} | ({"hint": hint} if hint else {})


def _joined(said: list[str]) -> str:
    return "\n\n".join(said)


def _broken(reply: Completion) -> bool:
    """Whether the last call of a cut reply is only a part of one."""
    last = reply.tool_calls[-1].arguments
    return last.strip() in ("", "{}") or parse_arguments(last)[0] is None


def _useless(reply: Completion, corrections: int) -> Failed:
    times = f"{corrections + 1} times in a row"
    if reply.finish == "length":
        hint = "Raise max_tokens of the model in vespiary.toml, or ask for less at once."
        return Failed("assistant.cut", f"The model's reply was cut off at its length limit {times}.", hint)
    return Failed(
        "assistant.empty", f"The model's reply was empty {times}.", "Try another model, or put the task in other words."
    )


def _shown(ok: bool, content: str) -> str:
    if len(content) > RESULT:
        half = RESULT // 2
        content = f"{content[:half]}\n[... {len(content) - RESULT:,} characters omitted ...]\n{content[-half:]}"
    return content if ok else f"Error: {content}"
