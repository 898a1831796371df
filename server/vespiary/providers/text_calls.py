"""Tool calls that a model prints as text, found while the text streams. Pure; total: any text at all passes through or is a call.

Understood, for the names of offered tools only: `<tool_call>{json}</tool_call>`, `<function=NAME><parameter=KEY>value</parameter>
</function>` (alone or inside `<tool_call>`), and a reply that is nothing but JSON (bare or fenced) with a name and arguments. What
looks like a call and is none is text again, unchanged. Text is held back only while it may still turn out to be a call.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vespiary.providers.base import ToolSpec
from vespiary.providers.text_call_forms import Parsed, TextCall, json_calls, tagged_calls
from vespiary.providers.think import overlap

__all__ = ["Parsed", "TextCall", "TextCalls"]

MAX_HELD = 4_000_000
"""Characters that are held back at most; a longer call is text."""

_TOOL_CALL = ("<tool_call>", "</tool_call>")
_FUNCTION = ("<function=", "</function>")
_OPENS = (_TOOL_CALL[0], _FUNCTION[0])
_STRAY = _TOOL_CALL[1]

# What a reply that is only JSON begins with: an optional fence, an optional list, an object, a telling first key.
_KEYS = ("name", "arguments", "parameters", "function", "type", "id")
_LONE = re.compile(r'\s*(?:```(?:json|tool_call|tool_code|tool)?\s*)?\[?\s*\{\s*"(?:' + "|".join(_KEYS) + r')"\s*:')
_LONE_WINDOW = 200


@dataclass(slots=True)
class _Open:
    """A tag under way; `text` begins with the tag itself."""

    close: str
    text: str
    seen: int = 0


class TextCalls:
    """Feed it text in pieces; it gives back text and calls in their order, the same however the text was cut."""

    def __init__(self, tools: Iterable[ToolSpec]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._off = not self._tools
        self._lone: str | None = ""
        """The whole reply so far, while it may be JSON and nothing else."""
        self._lone_sure = False
        self._held = ""
        self._open: _Open | None = None
        self._blank: str | None = None
        """Blanks right after a call, which belong to nobody unless text follows."""
        self._called = False

    def feed(self, text: str) -> list[Parsed]:
        """What the text gives by now."""
        if self._off:
            return [text] if text else []
        if self._lone is not None:
            self._lone += text
            if not self._lone_sure:
                verdict = _may_be_lone(self._lone)
                self._lone_sure = verdict is True
                if verdict is False:
                    return self._release()
            return self._release() if len(self._lone) > MAX_HELD else []
        return self._scan(text)

    def stop(self) -> list[Parsed]:
        """Give what is held as text, and look for nothing from now on."""
        held = (self._lone or "") + (self._blank or "") + self._held + (self._open.text if self._open else "")
        self._lone, self._blank, self._held, self._open, self._off = None, None, "", None, True
        return [held] if held.strip() else []

    def end(self) -> list[Parsed]:
        """The text is over: what was held is a call or text after all."""
        if self._off:
            return []
        found: list[Parsed] = []
        if self._lone is not None:
            if self._lone_sure and (calls := json_calls(_unfenced(self._lone), self._tools)):
                self._lone = None
                return list(calls)
            found = self._release()
        if self._open is not None:
            # Many models leave the closing tag out at the end.
            opened, self._open = self._open, None
            found += self._closed(opened.text, opened.text)
        if self._held:
            held, self._held = self._held, ""
            found += self._plain(held)
        return _joined(found)

    def _release(self) -> list[Parsed]:
        text, self._lone = self._lone or "", None
        return self._scan(text)

    def _scan(self, text: str) -> list[Parsed]:
        found: list[Parsed] = []
        while True:
            if self._open is None:
                text, self._held = self._held + text, ""
                at, tag = _first(text, (*_OPENS, _STRAY) if self._called else _OPENS)
                if tag is None:
                    keep = max(overlap(text, each) for each in (*_OPENS, _STRAY))
                    self._held = text[len(text) - keep :]
                    found += self._plain(text[: len(text) - keep])
                    return _joined(found)
                found += self._plain(text[:at])
                text = text[at:]
                if tag == _STRAY:
                    # Models that print `<function=...>` often close a `<tool_call>` that they never opened.
                    text = text[len(_STRAY) :]
                    continue
                self._open, text = _Open(_TOOL_CALL[1] if tag == _TOOL_CALL[0] else _FUNCTION[1], ""), text
            opened = self._open
            opened.text += text
            end = opened.text.find(opened.close, opened.seen)
            if end < 0:
                opened.seen = max(0, len(opened.text) - len(opened.close))
                if len(opened.text) > MAX_HELD:
                    found += self.stop()
                return _joined(found)
            end += len(opened.close)
            self._open = None
            whole, text = opened.text[:end], opened.text[end:]
            found += self._closed(whole[: -len(opened.close)], whole)

    def _closed(self, inner: str, whole: str) -> list[Parsed]:
        """The calls of a tag's text; the text itself where it holds none."""
        calls = tagged_calls(inner, self._tools)
        if not calls:
            return self._plain(whole)
        self._called, self._blank = True, ""
        return list(calls)

    def _plain(self, text: str) -> list[Parsed]:
        if self._blank is not None:
            text = self._blank + text
            if not text.strip():
                self._blank = text
                return []
            self._blank = None
        return [text] if text else []


def _first(text: str, tags: Iterable[str]) -> tuple[int, str | None]:
    places = [(at, tag) for tag in tags if (at := text.find(tag)) >= 0]
    return min(places, default=(0, None))


def _joined(found: list[Parsed]) -> list[Parsed]:
    joined: list[Parsed] = []
    for item in found:
        if joined and isinstance(item, str) and isinstance(last := joined[-1], str):
            joined[-1] = last + item
        else:
            joined.append(item)
    return joined


def _may_be_lone(text: str) -> bool | None:
    """Whether a reply that begins so may be a lone JSON call; none when it is too short to tell."""
    if _LONE.match(text):
        return True
    if len(text.lstrip()) > _LONE_WINDOW:
        return False
    bare = "".join(text.split())
    return None if any(_begins(bare, form) for form in _FORMS) else False


def _begins(bare: str, form: str) -> bool:
    return form.startswith(bare)


_FORMS = tuple(
    f'{fence}{bracket}{{"{key}":'
    for fence in ("", "```", "```json", "```tool_call", "```tool_code", "```tool")
    for bracket in ("", "[")
    for key in _KEYS
)


def _unfenced(text: str) -> str:
    text = text.strip()
    if text.startswith("```"):
        text = re.sub(r"\A```[a-z_]*", "", text)
        text = text.removesuffix("```")
    return text
