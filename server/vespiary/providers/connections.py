"""Connections to one endpoint: many small clients instead of a large one, and a bound on the calls under way.

The pool of an HTTP client looks at all of its connections at every event, so the cost of a large pool grows with the square of the
connections. Clients are cheap (2 KB, 20 us), so each holds a few connections only. Knows httpx2, and imports it on first use, in a
thread.
"""

import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    import ssl

    import httpx2

PER_CLIENT = 4
"""Connections of one client."""

CONNECT_S = 15.0
"""Longest time to make a connection, in seconds."""


class _Shard:
    """One client and how many of its connections are in use."""

    __slots__ = ("client", "used")

    def __init__(self, client: "httpx2.AsyncClient") -> None:
        self.client = client
        self.used = 0


class Connections:
    """The clients of one endpoint. At most `limit` are lent at once; further callers wait in order."""

    def __init__(self, *, secure: bool, timeout_s: float, limit: int, proxies: bool) -> None:
        self._secure = secure
        self._timeout_s = timeout_s
        self._slots = anyio.Semaphore(limit)
        self._proxies = proxies
        self._shards: list[_Shard] = []
        self._tls: ssl.SSLContext | None = None
        self._ready = False
        self._preparing = anyio.Lock()

    @asynccontextmanager
    async def lend(self) -> "AsyncGenerator[httpx2.AsyncClient]":
        """A client with a free connection."""
        async with self._slots:
            if not self._ready:
                await self._prepare()
            shard = next((shard for shard in self._shards if shard.used < PER_CLIENT), None)
            if shard is None:
                shard = _Shard(self._client())
                self._shards.append(shard)
            shard.used += 1
            try:
                yield shard.client
            finally:
                shard.used -= 1

    async def aclose(self) -> None:
        """Close all connections."""
        shards, self._shards = self._shards, []
        for shard in shards:
            await shard.client.aclose()

    async def _prepare(self) -> None:
        async with self._preparing:
            if self._ready:
                return
            # Importing takes a tenth of a second and reading the certificates half of that: too long for the loop.
            module: Any = await anyio.to_thread.run_sync(importlib.import_module, "httpx2")
            if self._secure or self._proxies:
                self._tls = await anyio.to_thread.run_sync(module.create_ssl_context)
            self._ready = True

    def _client(self) -> "httpx2.AsyncClient":
        import httpx2

        return httpx2.AsyncClient(
            verify=self._tls if self._tls is not None else False,
            trust_env=self._proxies,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=PER_CLIENT, max_keepalive_connections=PER_CLIENT, keepalive_expiry=30),
            timeout=httpx2.Timeout(
                connect=min(CONNECT_S, self._timeout_s), read=self._timeout_s, write=self._timeout_s, pool=None
            ),
        )
