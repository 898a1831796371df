"""Failures of an OpenAI-compatible endpoint, in words for people. Pure: statuses, headers and bodies in, errors out.

What an endpoint says is shortened and stripped of control characters, and never repeats the key that was sent.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from vespiary.providers.base import ProviderError

_RETRYABLE = frozenset({408, 409, 425, 429})
_MAX_SAID = 500
_RETRYABLE_TYPES = ("rate_limit", "overloaded", "server_error", "timeout", "unavailable", "internal")
CHECK_URL = "Check base_url; it usually ends in /v1."


def status_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    where: str = "",
    secret: str | None = None,
    now: datetime | None = None,
) -> ProviderError:
    """What an answer with an error status means. `where` is the endpoint's host; `now` is for a Retry-After that names a date."""
    said, kind = _said(body, headers.get("content-type", ""))
    if secret:
        said = said.replace(secret, "[key]")
    at = f" at {where}" if where else ""
    message = f"The model endpoint{at} answered {status}" + (f": {_sentence(said)}" if said else ".")
    wait = retry_after(headers, now)
    quota = "quota" in kind or "billing" in kind or "credit" in said.lower()
    match status:
        case 401 | 403:
            return ProviderError(message, hint="Check the key that api_key_env names.", code="provider.auth")
        case 404:
            return ProviderError(message, hint=f"Check the model's name. {CHECK_URL}", code="provider.not-found")
        case 402:
            return ProviderError(message, hint="The account has no credit left.", code="provider.quota")
        case 429 if quota:
            return ProviderError(message, hint="The account has no quota left.", code="provider.quota")
        case 429:
            return ProviderError(message, code="provider.rate-limited", retryable=True, retry_after=wait)
        case 400 | 413 | 422 if "context" in said.lower() and ("length" in said.lower() or "window" in said.lower()):
            hint = "The conversation has become too long for the model."
            return ProviderError(message, hint=hint, code="provider.context-length")
        case _ if 300 <= status < 400:
            hint = f"It wants to send the request elsewhere, which is not followed. {CHECK_URL}"
            return ProviderError(message, hint=hint, code="provider.redirect")
        case _:
            again = status in _RETRYABLE or status >= 500
            code = "provider.failed" if again else "provider.refused"
            return ProviderError(message, code=code, retryable=again, retry_after=wait)


def error_in_reply(error: Any) -> ProviderError:
    """What an error object within a reply means: the status was already sent as 200."""
    table = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    said = _clean(str(table.get("message") or table.get("type") or "no reason given"))
    kind = f"{table.get('type', '')} {table.get('code', '')}".lower()
    status = table.get("code") if isinstance(table.get("code"), int) else table.get("status")
    again = any(word in kind for word in _RETRYABLE_TYPES) or "overloaded" in said.lower()
    if isinstance(status, int):
        again = again or status in _RETRYABLE or status >= 500
    return ProviderError(f"The model endpoint reports an error: {_sentence(said)}", retryable=again)


def not_a_reply(content_type: str, beginning: bytes) -> ProviderError:
    """What an answer that is neither a stream nor JSON means."""
    text = beginning.decode("utf-8", "replace").lstrip().lower()
    what = "a web page" if "html" in content_type or text.startswith(("<!doctype", "<html")) else "something"
    shown = "" if what == "a web page" else f" It begins with {_clean(beginning[:60].decode('utf-8', 'replace'))!r}."
    return ProviderError(
        f"The endpoint answered with {what} that is no chat reply.{shown}", hint=CHECK_URL, code="provider.not-chat"
    )


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait that the endpoint asks for, in seconds: `retry-after-ms`, or `retry-after` in seconds or as a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (text := headers.get(name, "").strip()) and (seconds := _number(text)) is not None:
            return seconds * unit
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
        # The endpoint's own clock, where it tells it: ours may be wrong.
        sent = parsedate_to_datetime(headers["date"]) if "date" in headers else now or datetime.now(UTC)
        return max(0.0, (_aware(when) - _aware(sent)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _aware(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _said(body: bytes, content_type: str) -> tuple[str, str]:
    """The endpoint's own words, and its kind of error where it gives one."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ("" if "html" in content_type else _clean(body.decode("utf-8", "replace"))), ""
    if isinstance(value, list) and value:
        value = cast("list[Any]", value)[0]
    table = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    inner = table.get("error", table)
    if isinstance(inner, str):
        return _clean(inner), ""
    if isinstance(inner, dict):
        error = cast("dict[str, Any]", inner)
        said = error.get("message") or error.get("detail") or error.get("error") or ""
        return _clean(
            said if isinstance(said, str) else json.dumps(said)
        ), f"{error.get('type')} {error.get('code')}".lower()
    return "", ""


def _sentence(text: str) -> str:
    """The text with an end, so that more can follow it."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _clean(text: str) -> str:
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MAX_SAID else text[:_MAX_SAID] + "…"
