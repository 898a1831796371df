"""The message types that the host and the built-in actors agree on, and the JSON that each carries.

Only the host may send the types in `HOST_ONLY`, and those in `OWN_SCOPE_ONLY` stay in their scope; an actor that tries otherwise is
refused. The guest SDK mirrors these names.
"""

ACTOR_READY = "vespiary.actor.ready"
"""Host, in the actor's scope: `{actor}`. The actor was constructed and described itself."""

ACTOR_FAILED = "vespiary.actor.failed"
"""Host, in the actor's scope and its parent's: `{actor, code, message, restarted, kept?}`. A trap, or an actor that gave up.
`kept`: the new instance has the state up to the input that was fatal, which is lost; otherwise it begins anew."""

AGENT_READY = "vespiary.agent.ready"
"""Host, once every actor of a scope is ready: `{scope, name, actors: [name], tools: [Tool]}`, the tools of all of them, each with
the name of its `actor`. An actor that was made anew hears it again, alone and before anything else."""

AGENT_SPAWNED = "vespiary.agent.spawned"
"""Host, in the parent's scope: `{scope, name, parent, actors}`."""

AGENT_EXITED = "vespiary.agent.exited"
"""Host, in the parent's scope, after a scope and its children ended: `{scope, name, reason}`."""

AGENT_EXIT = "vespiary.agent.exit"
"""Any actor, in its own scope: `{reason}`. Asks the host to end the scope and its children."""

AGENT_MESSAGE = "vespiary.agent.message"
"""Host or an actor, to a scope: `{role: "user" | "system", text}`. What a person or another agent says to an agent."""

AGENT_INTERRUPT = "vespiary.agent.interrupt"
"""Host, to a scope: `{reason}`. The person wants the task to stop: the assistant stops what is under way, keeps the conversation
and answers with `AGENT_DONE`, failed with the code `assistant.interrupted`. Without a task under way it does nothing."""

AGENT_DONE = "vespiary.agent.done"
"""The assistant, in its own scope: `{outcome: "done" | "failed", text, problem?: {code, message, hint?}}`. The answer to an
`AGENT_MESSAGE`; in the root scope of a run it ends the run."""

AGENT_STATUS = "vespiary.agent.status"
"""The assistant, in its own scope: `{state: "waiting" | "thinking" | "tools" | "done", detail?}`."""

TOOL_CALL = "vespiary.tool.call"
"""The assistant, in its own scope: `{call, name, arguments}`; `arguments` is the object that the model wrote."""

TOOL_STATUS = "vespiary.tool.status"
"""A tool actor, in its own scope: `{call, name, state: "running", title?, detail?}`."""

TOOL_RESULT = "vespiary.tool.result"
"""A tool actor (or the assistant, for an unknown tool), in its own scope: `{call, name, ok, content}`. `content` is the
text that goes to the model."""

TOOL_CANCEL = "vespiary.tool.cancel"
"""The assistant, in its own scope: `{call}`. The handler of that call is cancelled in its actor."""

HOST_ONLY = frozenset({ACTOR_READY, ACTOR_FAILED, AGENT_READY, AGENT_SPAWNED, AGENT_EXITED, AGENT_INTERRUPT})

OWN_SCOPE_ONLY = frozenset({AGENT_EXIT, AGENT_DONE, AGENT_STATUS, TOOL_CALL, TOOL_STATUS, TOOL_RESULT, TOOL_CANCEL})
"""What agents say among themselves: an actor that sends one into another scope, to speak for that agent, is refused."""
