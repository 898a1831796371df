"""Tools: methods that a model may call. Knows how a method becomes a schema; does not know how calls arrive."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from vespiary_sdk._docs import read_docstring
from vespiary_sdk._hints import arguments_of
from vespiary_sdk._runtime import to_json
from vespiary_sdk._shapes import Shape
from vespiary_sdk.errors import ActorError

F = TypeVar("F", bound=Callable[..., Any])
Title = str | Callable[..., str]

_MARK = "__vespiary_tool__"


@dataclass(frozen=True, slots=True)
class _Mark:
    name: str | None
    title: Title | None


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A tool of an actor class: what the model is told, and which method does it."""

    name: str
    description: str
    arguments: Shape
    method: str
    title: Title | None

    def as_json(self) -> dict[str, Any]:
        """As `describe` tells it."""
        return {"name": self.name, "description": self.description, "parameters": self.arguments.schema}

    def title_for(self, arguments: dict[str, Any]) -> str | None:
        """What to show while a call runs, or none."""
        if self.title is None:
            return None
        return self.title.format(**arguments) if isinstance(self.title, str) else self.title(**arguments)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call under way."""

    id: str
    name: str


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(*, name: str | None = None, title: Title | None = None) -> Callable[[F], F]: ...
def tool(function: F | None = None, /, *, name: str | None = None, title: Title | None = None) -> F | Callable[[F], F]:
    """Offer a method to models.

    The schema comes from the type hints, the description from the docstring, an argument's description from its `Args:` section
    or from `Annotated[..., "text"]`. What the method returns goes to the model: a string as it is, anything else as JSON.
    `name` replaces the method's name. `title` is shown while a call runs: a format string over the arguments (`"Reading {path}"`),
    or a function that takes them by name.
    """

    def mark(method: F) -> F:
        setattr(method, _MARK, _Mark(name, title))
        return method

    return mark if function is None else mark(function)


def tools_of(cls: type[Any]) -> dict[str, ToolInfo]:
    """The tools of an actor class by name, in the order of definition, base classes first. Raises `ActorError`.

    Computed once per class, so that actors that are part of the component have theirs ready.
    """
    cached: dict[str, ToolInfo] | None = cls.__dict__.get("__vespiary_tools__")
    if cached is not None:
        return cached
    methods = {name: None for base in reversed(cls.__mro__) for name in vars(base)}
    tools: dict[str, ToolInfo] = {}
    for method in methods:
        function = getattr(cls, method, None)
        mark = getattr(function, _MARK, None)
        if function is None or not isinstance(mark, _Mark):
            continue
        name = mark.name or method
        if name in tools:
            raise ActorError(f"{cls.__name__} has two tools called {name}.")
        description, documented = read_docstring(function.__doc__)
        tools[name] = ToolInfo(name, description, arguments_of(function, documented), method, mark.title)
    cls.__vespiary_tools__ = tools
    return tools


def result_text(value: Any) -> str:
    """What the model reads of a tool's return value. Raises `TypeError` or `ValueError` for one without a JSON form."""
    if value is None:
        return "Done."
    return value if isinstance(value, str) else to_json(value)
