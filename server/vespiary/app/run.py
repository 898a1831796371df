"""One run while it lives: its state and its numbered events. Knows nothing of how agents work."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from vespiary.app.agents import Cast
from vespiary.app.estimate import Estimator
from vespiary.app.files import FileLedger
from vespiary.app.ledger import Ledger
from vespiary.app.meter import STATE
from vespiary.model.errors import Problem
from vespiary.model.events import EventBody, RunEvent, RunFinished, Status, UsageEvent
from vespiary.model.ids import SYSTEM_SCOPE, ActorId, RunId, Scope
from vespiary.model.runs import Mode, Outcome, RunInfo, Task

if TYPE_CHECKING:
    from vespiary.capabilities.ports import Noted
    from vespiary.config import Config

Listener = Callable[[RunEvent], None]


class Run:
    """The record of a run. Everything that it tells goes through `tell`, so that numbers have no gaps."""

    def __init__(
        self,
        run_id: RunId,
        task: Task,
        agent: str,
        config: "Config",
        now: Callable[[], int],
        listener: Listener,
        *,
        cast: Cast | None = None,
        started: float | None = None,
    ) -> None:
        self.id = run_id
        self.task = task
        self.agent = agent
        self.config = config
        self.cast = cast or Cast.read(config, task.mode)
        self.session = task.session
        self.resumed = started is not None
        """Whether it was begun by an earlier process."""
        self.suspended = False
        """Whether it ends here only because the server does: it can be resumed."""
        self.muted = False
        """Whether what happens now happened before, and was told then."""
        self.root: Scope | None = None
        self.files = FileLedger()
        self.noted: dict[tuple[ActorId, int], Noted] = {}
        """What an earlier process noted of changes, by actor and request; of those that are under way."""
        budgets = {name: agent.budget.value() for name, agent in config.agents.items()}
        self.ledger = Ledger(config.budget.value(), budgets)
        self.estimator = Estimator()
        self.outcome = Outcome.RUNNING
        self.text = ""
        self.problem: Problem | None = None
        self.cancelled = anyio.Event()
        """Set when a person asked for the end."""
        self.ended = anyio.Event()
        """Set when the agent gave its answer, or can give none."""
        self.finished = anyio.Event()
        """Set after the last event was told."""
        self.trouble: str | None = None
        """The last failure of an actor that was not restarted, in a line."""
        self._now = now
        self._listener = listener
        self._seq = 0
        self._started = self._seconds() if started is None else started
        self._finished: float | None = None

    @property
    def mode(self) -> Mode:
        """What the run may do to the workspace."""
        return self.task.mode

    def tell(self, body: EventBody, scope: Scope | None = None, agent: str | None = None) -> None:
        """Number an event and hand it to the listener. After the last event nothing is told any more."""
        if self._finished is not None or self.muted:
            return
        who, notices = agent or self.agent, ()
        if isinstance(body, UsageEvent):
            # Told is counted: the events of a run are what its ledger can be made from again.
            notices = self.ledger.spend(who, body.usage)
            body = replace(body, total=self.ledger.total, agent_total=self.ledger.of(who))
        self._listener(self._event(body, scope, who))
        for notice in notices:
            self.tell(Status(STATE, notice), scope, agent)

    def go_on_after(self, seq: int) -> None:
        """Number events from here on: those of an earlier process end with `seq`."""
        self._seq = max(self._seq, seq)

    def answer(self, outcome: Outcome, text: str, problem: Problem | None = None) -> None:
        """The agent's answer. Only the first one counts."""
        if self.ended.is_set():
            return
        self.outcome, self.text, self.problem = outcome, text, problem
        self.ended.set()

    def suspend(self) -> None:
        """The server stops: the run ends here, and can be resumed."""
        self.hold(Problem("run.interrupted", "The server stopped in the middle of it.", "It can be resumed."))

    def hold(self, problem: Problem) -> None:
        """The run cannot go on here and now, and can be resumed from what was kept of it. Nothing if it has its answer."""
        if not self.ended.is_set():
            self.suspended = True
            self.answer(Outcome.INTERRUPTED, self.text, problem)

    def conclude(self) -> RunEvent:
        """Make the last event without telling it yet. From here on the run is listed as it ended."""
        self._finished = self._seconds()
        ledger = self.ledger
        end = RunFinished(
            self.outcome, self.text, ledger.total, self.files.changes(), self.problem, agents=ledger.by_agent()
        )
        return self._event(end, None, self.agent)

    def finish(self, end: RunEvent | None = None) -> None:
        """Tell the last event: `end`, or one that is made now."""
        self._listener(end or self.conclude())
        self.finished.set()

    def info(self) -> RunInfo:
        """The run as it is listed."""
        return RunInfo(
            run_id=self.id,
            agent=self.agent,
            prompt=self.task.prompt,
            mode=self.task.mode,
            outcome=self.outcome if self._finished is not None else Outcome.RUNNING,
            started=self._started,
            finished=self._finished,
            text=self.text,
            problem=self.problem,
            usage=self.ledger.total,
            files=self.files.changes(),
            agents=self.ledger.by_agent(),
            session=self.session,
        )

    def _event(self, body: EventBody, scope: Scope | None, agent: str) -> RunEvent:
        self._seq += 1
        return RunEvent(self.id, self._seq, self._seconds(), scope or self.root or SYSTEM_SCOPE, agent, body)

    def _seconds(self) -> float:
        return self._now() / 1e9
