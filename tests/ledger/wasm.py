"""What the sandbox promises."""

REQUIREMENTS = {
    "wasm:outputs-in-order": (
        "Messages, requests, cancels and log lines come out in the order in which the guest made them. "
        "[issue 2, point 4]"
    ),
    "wasm:refusals": (
        "What a guest may not send is refused to the guest with a sentence, and the step goes on. [wit/messaging.wit]"
    ),
    "wasm:correlation": (
        "A message's id continues the id of the message that its step, or its request, belongs to. [issue 2, point 4]"
    ),
    "wasm:handler-error": (
        "A handler that fails keeps its outputs and its actor; the failure is in the author's words. "
        "[ARCHITECTURE, the step]"
    ),
    "wasm:fatal": (
        "After a trap, a deadline or a broken rule only the step's log lines are left, and the instance is "
        "gone. [ARCHITECTURE, the step]"
    ),
    "wasm:deadline": "A call that does not end is ended at its deadline. [issue 2, point 4]",
    "wasm:interrupt": (
        "An interrupt from another thread ends the running call within 100 ms and touches no other actor. "
        "[issue 2, done when]"
    ),
    "wasm:memory": "An actor cannot have more memory than its limit. [issue 2, point 4]",
    "wasm:output-limits": "One step cannot put out more than its limits; a flood is cut and told once. [issue 2, done when]",
    "wasm:recursion": "An actor that recurses without end is contained. [issue 2, done when]",
    "wasm:nonsense": "An actor that returns nonsense is contained. [issue 2, done when]",
    "wasm:exit": "An actor that exits or aborts ends itself and nothing else. [issue 2, done when]",
    "wasm:prints": "What a Python actor prints becomes its log lines. [issue 2, point 3]",
    "wasm:nothing-of-the-host": "No actor can read a file, the environment or the clock of the host. [issue 2, done when]",
    "wasm:deterministic": "A step repeated with the same time and seed gives the same outputs. [issue 2, point 3]",
    "wasm:world-check": (
        "A component is checked against our world before it is instantiated; the error names all that is "
        "wrong. [issue 2, point 4]"
    ),
    "wasm:world-table": "The host's table of functions is that of wit/. [issue 2, point 2]",
    "wasm:snapshot": "An actor's state is taken as text and given back to a fresh instance. [issue 2, point 3]",
    "wasm:cache-kept": "A compiled component is kept privately and loaded by the next process. [issue 2, point 3]",
    "wasm:cache-damage": "A damaged, foreign or loosely guarded cache file is rebuilt, never loaded. [issue 2, point 3]",
    "wasm:cache-two-processes": "Two processes that start at once with a cold cache do not break one another. [issue 2, point 3]",
    "wasm:lean-agrees": "The lean call layer gives the same results as wasmtime's own. [design, performance]",
    "wasm:shared-pages": (
        "Instances share the pages of the snapshot: its objects are not counted, its holes are filled. [design, performance]"
    ),
    "wasm:no-leaks": "Instances that are dropped give their memory back at once. [issue 2, done when]",
}
