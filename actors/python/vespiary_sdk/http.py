"""Web requests."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vespiary_sdk._runtime import request as ask


@dataclass(frozen=True, slots=True)
class Response:
    """An answer from the web. `text` is empty and `content` full when the body is not text; `url` is the last one of redirects."""

    status: int
    headers: dict[str, str]
    text: str
    content: bytes
    truncated: bool
    url: str

    @property
    def ok(self) -> bool:
        """Whether the status is a success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body read as JSON. Raises `ValueError`."""
        return json.loads(self.text or self.content)


async def request(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    timeout_ms: int = 30_000,
    max_bytes: int = 1_000_000,
    attempts: int = 1,
) -> Response:
    """Make a request. With `attempts` above 1, connection failures, 429 and 5xx are tried again with backoff.

    Any status is an answer. Raises `CapabilityError` for a host that the agent was not granted, another scheme than http and
    https, and when no answer comes.
    """
    answer = await ask(
        "http",
        url=url,
        method=method,
        headers=dict(headers) if headers else None,
        body=body,
        timeout_ms=timeout_ms,
        max_bytes=max_bytes,
        attempts=attempts,
    )
    text: str = answer.get("body") or ""
    binary: str | None = answer.get("body_base64")
    return Response(
        status=answer["status"],
        headers=answer.get("headers") or {},
        text=text,
        content=base64.b64decode(binary) if binary else text.encode(),
        truncated=bool(answer.get("truncated", False)),
        url=answer.get("url", url),
    )
