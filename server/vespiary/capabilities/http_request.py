"""What an actor asks of the web, read from JSON and judged where it needs no network. Pure; knows the shape of `wit/http.wit`."""

import json
import re
from dataclasses import dataclass
from typing import Any, cast

from vespiary.model.errors import RequestRefused
from vespiary.providers.tables import Table, TableError

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
    """The request that the actor means. Raises `RequestRefused` (`http.malformed`) with what is wrong."""
    try:
        raw: Any = json.loads(payload)
        if not isinstance(raw, dict):
            raise TableError("the request must be an object.")
        return _request(Table(cast("dict[str, Any]", raw), "the request"))
    except (ValueError, RecursionError) as error:
        raise RequestRefused(f"The web request is not JSON: {error}.", code="http.malformed") from None
    except TableError as error:
        raise RequestRefused(
            f"The web request is malformed: {error.message}", hint=error.hint, code="http.malformed"
        ) from None


def _request(table: Table) -> WebRequest:
    method = table.text("method", "GET").upper()
    if method not in METHODS:
        raise TableError(f"method: must be one of {', '.join(METHODS)}.")
    url = table.text("url", "")
    if not url or len(url) > MAX_URL or not url.isprintable() or "\\" in url or " " in url:
        raise TableError("url: must be an absolute http or https URL.")
    headers = _headers(table)
    body = table.text("body", "") if "body" in table else None
    if body is not None and len(body) > MAX_BODY:
        raise TableError(f"body: is longer than {MAX_BODY:,} characters.")
    request = WebRequest(
        method,
        url,
        headers,
        body,
        timeout_s=_bounded(table, "timeout_ms", 30_000, MAX_TIMEOUT_MS) / 1000,
        max_bytes=_bounded(table, "max_bytes", 1_000_000, MAX_BYTES),
        attempts=_bounded(table, "attempts", 1, MAX_ATTEMPTS),
    )
    table.end()
    return request


def _bounded(table: Table, key: str, default: int, most: int) -> int:
    value = table.whole(key, default, least=1)
    if value > most:
        raise TableError(f"{key}: must be at most {most:,}.")
    return value


def _headers(table: Table) -> tuple[tuple[str, str], ...]:
    raw = table.table("headers") or {}
    if len(raw) > MAX_HEADERS:
        raise TableError(f"headers: there are more than {MAX_HEADERS}.")
    headers: list[tuple[str, str]] = []
    for name, value in raw.items():
        if not _TOKEN.match(name):
            raise TableError("headers: a name is not a header name.")
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            raise TableError(f"headers: {name} is set by the host.", hint="Leave it out.")
        if not isinstance(value, str) or not _VALUE.match(value):
            raise TableError(f"headers: {name}: must be a text of printable ASCII.")
        headers.append((name.lower(), value))
    return tuple(headers)
