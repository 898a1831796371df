"""What an actor asks of the web, read from JSON and judged where it needs no network. Pure; knows the shape of `wit/http.wit`."""

import re
from dataclasses import dataclass

from vespiary.capabilities.requests import Fields

AREA = "http"
MAX_URL = 8_192
MAX_BODY = 4_000_000
MAX_BYTES = 8_000_000
"""Most bytes of an answer; it must fit into a step."""
MAX_TIMEOUT_MS = 600_000
MAX_ATTEMPTS = 10
MAX_HEADERS = 100

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e]{0,8192}\Z")
# The connection is the host's business: these would let an actor speak past the checks, or smuggle a second request.
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One request, well-formed but not yet allowed."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    timeout_s: float
    max_bytes: int
    attempts: int


def read_request(payload: str) -> WebRequest:
    """The request that the actor means. Raises `RequestRefused` (`http.request`) with what is wrong."""
    fields = Fields.parse(AREA, payload)
    method = fields.text("method", "GET").upper()
    if method not in METHODS:
        fields.wrong("method", f"one of {', '.join(METHODS)}")
    url = fields.text("url", empty=False, longest=MAX_URL)
    if not url.isprintable() or "\\" in url or " " in url:
        fields.wrong("url", "an absolute http or https URL")
    request = WebRequest(
        method,
        url,
        _headers(fields),
        fields.text("body", longest=MAX_BODY) if fields.has("body") else None,
        timeout_s=fields.integer("timeout_ms", 30_000, least=1, most=MAX_TIMEOUT_MS) / 1000,
        max_bytes=fields.integer("max_bytes", 1_000_000, least=1, most=MAX_BYTES),
        attempts=fields.integer("attempts", 1, least=1, most=MAX_ATTEMPTS),
    )
    fields.done()
    return request


def _headers(fields: Fields) -> tuple[tuple[str, str], ...]:
    raw = fields.mapping("headers", {})
    if len(raw) > MAX_HEADERS:
        fields.refuse(f"Field 'headers' holds more than {MAX_HEADERS}.")
    headers: list[tuple[str, str]] = []
    for name, value in raw.items():
        if not _TOKEN.match(name):
            fields.refuse("Field 'headers' holds a name that is no header name.")
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            fields.refuse(f"The header {name} is set by the host.", hint="Leave it out.")
        if not _VALUE.match(value):
            fields.wrong(f"headers.{name}", "a text of printable ASCII")
        headers.append((name.lower(), value))
    return tuple(headers)
