"""What worker processes promise."""

REQUIREMENTS: dict[str, str] = {
    "worker:lazy": "A worker process comes with the first batch and goes with its shard [issue 3]",
    "worker:in-flight": "Batches in flight are answered in order, each with its own results [issue 3]",
    "worker:large": "Large texts cross; what exceeds a frame fails its own step, and never hangs [issue 3]",
    "worker:load": "A component can be loaded ahead; progress and the reason of a failure are told [issue 3]",
    "worker:same-results": "A step gives the same in a worker process as in the server's own [issue 3]",
    "worker:windows": "Without socket pairs a worker connects to a port of this machine and shows a token [issue 3]",
    "worker:lost": "When a process dies, its batches in flight say how, and the next starts another process [issue 3]",
    "worker:blame": "After a crash it is known which actor's step was being run [issue 3]",
    "worker:broken-framing": "A process that says nonsense is ended as if it had died [issue 3]",
    "worker:no-start": "A process that cannot be started fails constructions with a reason, and is not tried for ever [issue 3]",
    "worker:stuck": "A process that does not react to an interrupt is ended, so that no run hangs [issue 3]",
    "worker:close": "Closing takes two seconds at most, whatever the guests do, and leaves no process [issue 3]",
    "worker:no-orphans": "A worker ends with its server, however that ends, also while a guest loops [issue 3]",
    "worker:stderr": "What a worker writes to its stderr goes to the log, within bounds; its stdout is nothing [issue 3]",
    "worker:no-secrets": "A worker's environment has what Python and the cache need, and no secrets [issue 3]",
    "worker:modest": "A worker has a lower priority, is the first to go when memory is short, leaves no dumps [issue 3]",
    "worker:ctrl-c": "Ctrl-C in a terminal does not reach the workers; the server ends them [issue 3]",
    "worker:descriptors": "A worker inherits no file, socket or pipe but its own [issue 3]",
    "worker:two-threads": "A worker process has two threads: guests, and the reader that interrupts them [issue 3]",
    "worker:no-wasmtime": "A server with worker processes never imports wasmtime [issue 3]",
}
