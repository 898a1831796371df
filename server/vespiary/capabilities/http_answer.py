"""The answer to a web request: as much of its body as was asked for, as text where it is text. Knows nothing of policy."""

import base64
import codecs
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

_CHARSET = re.compile(r"charset=\"?([A-Za-z0-9._-]{1,40})", re.IGNORECASE)
_BINARY = re.compile(r"(image/(?!svg)|audio/|video/|font/|application/(octet-stream|pdf|zip|gzip|wasm))")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool
    url: str

    def to_json(self) -> str:
        """As `wit/http.wit` says."""
        text = _text(self.body, self.headers.get("content-type", ""), self.truncated)
        content = (
            {"body": text} if text is not None else {"body": "", "body_base64": base64.b64encode(self.body).decode()}
        )
        answer = {
            "status": self.status,
            "headers": self.headers,
            **content,
            "truncated": self.truncated,
            "url": self.url,
        }
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


async def read_answer(response: "httpx2.Response", url: str, max_bytes: int) -> Answer:
    """Read the body up to `max_bytes`. Nothing is decompressed: a small body could become one without end."""
    body = bytearray()
    truncated = False
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > max_bytes:
            truncated = True
            break
    headers: dict[str, str] = {}
    for name, value in response.headers.multi_items():
        headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    return Answer(response.status_code, headers, bytes(body[:max_bytes]), truncated, url)


def _text(body: bytes, content_type: str, truncated: bool) -> str | None:
    """The body as text; none when it is not text."""
    if _BINARY.match(content_type.lower()):
        return None
    named = _CHARSET.search(content_type)
    try:
        info = codecs.lookup(named[1] if named else "utf-8")
        # Codecs like base64 or zlib are not charsets; those have no text on one side.
        if not info._is_text_encoding:
            return None
        # A body that was cut may end in the middle of a character.
        text = info.incrementaldecoder().decode(body, final=not truncated)
    except (LookupError, ValueError, TypeError):
        return None
    return None if "\x00" in text else text
