"""Running a handler, whatever its kind, and turning its failure into an error answer. Knows handlers, no ids and no transport.

pygls' own handlers are generators that yield the handler to run next. Here the whole chain is one awaitable, so that cancelling a
request reaches the innermost coroutine.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Executor
from typing import Any

from vespiary.fronts.lsp.core.errors import INTERNAL_ERROR, INVALID_PARAMS, REQUEST_FAILED, Rejected, error_body
from vespiary.fronts.lsp.core.upstream import JsonRpcException, wants_thread
from vespiary.model.errors import UsageError, VespiaryError

logger = logging.getLogger("vespiary.lsp")

Outcome = tuple[bool, Any]
"""(True, the result) of a handler that is done, (False, an awaitable) of one that is not."""


class Caller:
    """Starts handlers. `pool` gives the threads of handlers that ask for one."""

    def __init__(self, pool: Callable[[], Executor]) -> None:
        self._pool = pool

    def start(
        self, handler: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> Outcome:
        """Run a handler as far as it goes without waiting. Raises what it raises."""
        kwargs = kwargs or {}
        if inspect.isgeneratorfunction(handler):
            return self._advance(handler(*args, **kwargs), None)
        if wants_thread(handler):
            return False, asyncio.wrap_future(self._pool().submit(handler, *args, **kwargs))
        result = handler(*args, **kwargs)
        return (False, result) if inspect.isawaitable(result) else (True, result)

    def _advance(self, chain: Generator[Any, Any, Any], value: Any) -> Outcome:
        while True:
            try:
                handler, args, kwargs = chain.send(value)
            except StopIteration as end:
                return True, end.value
            try:
                done, value = self.start(handler, args or (), kwargs)
            except BaseException:
                chain.close()
                raise
            if not done:
                return False, self._finish(chain, value)

    async def _finish(self, chain: Generator[Any, Any, Any], waited: Awaitable[Any]) -> Any:
        try:
            value = await waited
        except BaseException:
            chain.close()
            raise
        done, value = self._advance(chain, value)
        return value if done else await value


def error_of(error: BaseException, method: str) -> dict[str, Any]:
    """The `error` member of the answer to a request whose handler raised. What nobody foresaw is logged with its traceback."""
    if isinstance(error, JsonRpcException | Rejected):
        return error_body(error.code, error.message, getattr(error, "data", None))
    if isinstance(error, VespiaryError):
        data = {"code": error.code, "message": error.message}
        if error.hint:
            data["hint"] = error.hint
        return error_body(INVALID_PARAMS if isinstance(error, UsageError) else REQUEST_FAILED, str(error), data)
    logger.error("%s failed", method, exc_info=error)
    return error_body(INTERNAL_ERROR, f"{method} failed inside the server: {type(error).__name__}: {error}")
