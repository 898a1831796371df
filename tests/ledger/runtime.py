"""What the runtime promises."""

REQUIREMENTS: dict[str, str] = {
    "runtime:all-ready-barrier": "An agent's actors hear what constructors say, and work once all of them are made [issue 2, point 4]",
    "runtime:ready-messages": "The host says when each actor and when the whole agent is ready, with all tools [issue 2, point 4]",
    "runtime:host-messages": "The host publishes messages as 000000/host [issue 2, point 4]",
    "runtime:correlation": "A message sent while handling a:b has an id b:<new>, any other root:<new> [issue 2, point 4]",
    "runtime:spawn-rollback": "An agent is made as a whole or not at all, and the error names the actor and why [issue 2, point 4]",
    "runtime:runs-are-isolated": "A run hears nothing of another [architecture, Actors]",
    "runtime:agent-exit": "An actor can end its own scope; its parent is told [issue 2, point 4]",
    "runtime:parent-end": "A parent's end ends its children [issue 2, point 4]",
    "runtime:cancel-within-a-second": "Cancelling a run interrupts its guests and returns within a second [issue 2, point 4]",
}
