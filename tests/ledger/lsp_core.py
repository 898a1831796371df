"""What the core of the language server promises: every message answered, nothing leaked, right documents, right end."""

# ruff: noqa: E501 - one promise a line

REQUIREMENTS = {
    "core:raw-params": "Our own methods get their parameters as the plain dict that was sent, empty when omitted, whatever its keys. [issue 2, 7; editors 2, 3]",
    "core:always-answered": "Every request gets exactly one answer: bad parameters -32602, an unknown method -32601, a bug -32603. [issue 2, 7; editors 3]",
    "core:errors-for-people": "A refusal reaches the client as a sentence with its code and its hint. [issue 2, 7]",
    "core:malformed": "Bytes that are no message, and JSON that is none, are told per JSON-RPC, and the next message is served. [issue 2, 7]",
    "core:cancel": "Cancelling a request or a command cancels its coroutine, and the answer is -32800. [issue 2, 7; editors 1]",
    "core:no-leaks": "Notifications, requests in both directions, error answers, progress and cancellation leave nothing behind. [issue 2, 7; editors 4]",
    "core:own-stdin": "Standard input has its own reader: handlers that fill the thread pool do not stop it; files and /dev/null work. [issue 2, 7; editors 5]",
    "core:exit-codes": "The exit code is 0 after shutdown, and 1 for exit or a closed input without it. [issue 2, 7; editors 6]",
    "core:dead-client": "A client that dies ends the server, even when its pipes live on. [issue 2, 7; editors 6]",
    "core:tcp": "Over TCP each connection has a server of its own; only loopback unless told otherwise; HTTP is refused. [issue 2, 7; editors 7]",
    "core:lifecycle": "Requests before initialize are refused with -32002, after shutdown and a second initialize with -32600. [LSP, lifecycle]",
    "core:clean-stdout": "stdout carries nothing but the protocol, whatever the process or its children print. [issue 2, 7]",
    "core:documents": "Documents follow every edit exactly, in utf-8, utf-16 and utf-32, with LSP's line ends. [issue 2, 7; pygls-speed]",
    "core:encodings": "The position encoding is negotiated: the client's first choice of utf-8, utf-16, utf-32; utf-16 when it names none. [issue 2, 7]",
    "core:flow": "1000 edits in flight to a client that writes blockingly do not hang; at most 64 are in flight. [issue 2, done when]",
    "core:never-blocks": "A client that does not read stops neither reading nor handlers; notifications from threads arrive in order. [issue 2, 7; pygls-speed]",
    "core:lazy-types": "The lazily made lsprotocol classes equal the plain ones, and the plain import is the fallback. [pygls-speed]",
    "core:upstream": "Whatever private thing of pygls and lsprotocol is relied upon is as it was when it was looked at. [pygls-speed]",
    "core:client-gone": "Whoever waits for the client is told when it leaves. [issue 2, 7]",
    "core:new-clients": "A client with capabilities that the server does not know can still start. [LSP, forward compatibility]",
}
