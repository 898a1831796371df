"""The `http` capability: web requests on behalf of an actor, to the hosts that its agent was granted and nowhere else.

Every hop of a redirect is judged anew. A name is resolved once, its addresses are judged, and the connection is made to a judged
address, so that a second answer of the name server changes nothing. No proxy, cookie or credential of the host is used.
"""

import importlib
import random
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from vespiary.capabilities.http_answer import Answer, read_answer
from vespiary.capabilities.http_hosts import authority, is_granted, may_connect, parse_address
from vespiary.capabilities.http_request import WebRequest, read_request
from vespiary.capabilities.ports import RunPort
from vespiary.model.errors import RequestRefused, VespiaryError
from vespiary.model.grants import Grant, Grants
from vespiary.model.runs import Mode
from vespiary.model.steps import Caller
from vespiary.providers.openai_errors import retry_after
from vespiary.providers.retry import Backoff

if TYPE_CHECKING:
    import ssl

    import httpx2

MAX_REDIRECTS = 10
MAX_AT_ONCE = 64
"""Requests under way at once, over all agents; further ones wait."""
CONNECT_S = 15.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that ask and change nothing."""
_PRIVATE_HEADERS = frozenset({"authorization", "cookie"})


class HttpFailed(VespiaryError):
    """A web request got no answer."""

    code = "http.failed"


class HttpCapability:
    """Web requests. `sleep` takes seconds; `source` spreads repeated attempts."""

    def __init__(
        self,
        run: RunPort,
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        source: random.Random | None = None,
    ) -> None:
        self._run = run
        self._sleep = sleep
        self._source = source or random.Random()
        self._slots = anyio.Semaphore(MAX_AT_ONCE)
        self._tls: ssl.SSLContext | None = None

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Make the request and answer as `wit/http.wit` says."""
        request = read_request(payload)
        policy = self._run.policy(caller.scope)
        if policy.grants.http is not Grant.ALLOW:
            raise RequestRefused(
                f"The agent {policy.agent!r} may not make web requests"
                + (", and there is nobody to ask." if policy.grants.http is Grant.ASK else "."),
                hint=f'Grant it under [agents.{policy.agent}.grants]: http = "allow", hosts = ["..."].',
                code="http.not-granted",
            )
        if policy.mode is Mode.PLAN and request.method not in _LOOKING:
            raise RequestRefused(
                f"This run is a plan: no {request.method} request is made.",
                code="http.plan",
                hint="Say what you would send instead.",
            )
        async with self._slots:
            return (await self._attempts(request, policy.grants)).to_json()

    def repeatable(self, payload: str) -> bool:
        """Only what asks and changes nothing is asked again after a crash."""
        try:
            return read_request(payload).method in _LOOKING
        except RequestRefused:
            return True

    async def _attempts(self, request: WebRequest, grants: Grants) -> Answer:
        backoff = Backoff(attempts=request.attempts)
        for attempt in range(1, request.attempts):
            try:
                answer = await self._within(request, grants)
                if answer.status != 429 and answer.status < 500:
                    return answer
                delay = backoff.delay(attempt, retry_after(answer.headers), self._source)
                if delay is None:
                    return answer
            except HttpFailed:
                delay = backoff.delay(attempt, None, self._source) or 0.0
            await self._sleep(delay)
        return await self._within(request, grants)

    async def _within(self, request: WebRequest, grants: Grants) -> Answer:
        """One attempt, redirects and body included, within the request's time."""
        with anyio.move_on_after(request.timeout_s):
            return await self._follow(request, grants)
        raise HttpFailed(f"The request took longer than {request.timeout_s:g} seconds.", code="http.timeout")

    async def _follow(self, request: WebRequest, grants: Grants) -> Answer:
        await self._library()
        import httpx2

        try:
            url = httpx2.URL(request.url)
        except httpx2.InvalidURL as error:
            raise RequestRefused(f"This is not a URL: {error}.", code="http.request") from None
        method, headers, body = request.method, list(request.headers), request.body
        for _ in range(MAX_REDIRECTS + 1):
            addresses = await self._addresses(url, grants)
            answer = await self._ask(url, addresses, method, headers, body, request.max_bytes)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            try:
                target = url.join(location)
            except httpx2.InvalidURL:
                return answer
            if answer.status == 303 or (answer.status in {301, 302} and method == "POST"):
                method, body = ("HEAD" if method == "HEAD" else "GET"), None
                headers = [(name, value) for name, value in headers if not name.startswith("content-")]
            if (target.scheme, target.host, _port(target)) != (url.scheme, url.host, _port(url)):
                headers = [(name, value) for name, value in headers if name not in _PRIVATE_HEADERS]
            url = target
        raise HttpFailed(f"There were more than {MAX_REDIRECTS} redirects.", code="http.redirects")

    async def _addresses(self, url: "httpx2.URL", grants: Grants) -> list[str]:
        """The addresses at which the URL's host may be reached. Raises `RequestRefused` when it may not be."""
        if url.scheme not in {"http", "https"}:
            raise RequestRefused(f"The scheme {url.scheme or '(none)'} is not http or https.", code="http.scheme")
        if url.userinfo:
            raise RequestRefused("A URL with a user name or password is refused.", code="http.request")
        host, port = url.host.lower(), _port(url)
        if not host or not is_granted(url.scheme, host, port, grants.hosts):
            raise RequestRefused(
                f"The host {authority(host, port)} is not granted.",
                hint="Add it to `hosts` of the agent's grants if it is to be reached.",
                code="http.host-refused",
            )
        found = [host] if parse_address(host) is not None else await _resolve(host, port)
        allowed = [address for address in found if may_connect(host, port, address, grants.hosts)]
        if not allowed:
            raise RequestRefused(
                f"The host {host} leads to a private address, which is not granted.",
                hint="If that is meant, add the address itself to `hosts` as well.",
                code="http.private-address",
            )
        return allowed

    async def _ask(
        self,
        url: "httpx2.URL",
        addresses: list[str],
        method: str,
        headers: list[tuple[str, str]],
        body: str | None,
        max_bytes: int,
    ) -> Answer:
        import httpx2

        # The name that was granted goes into Host and TLS; the connection goes to the address that was judged.
        named = [("host", url.netloc.decode("ascii")), ("accept-encoding", "identity"), *headers]
        if not any(name == "user-agent" for name, _ in headers):
            named.append(("user-agent", "vespiary"))
        content = None if body is None else body.encode("utf-8", "replace")
        timeout = httpx2.Timeout(None, connect=CONNECT_S)
        verify = self._tls if self._tls is not None else False
        async with httpx2.AsyncClient(
            verify=verify, trust_env=False, follow_redirects=False, timeout=timeout
        ) as client:
            for index, address in enumerate(addresses):
                request = client.build_request(
                    method,
                    url.copy_with(host=address.partition("%")[0]),
                    headers=named,
                    content=content,
                    extensions={"sni_hostname": url.host} if url.scheme == "https" else {},
                )
                try:
                    response = await client.send(request, stream=True)
                    try:
                        return await read_answer(response, str(url), max_bytes)
                    finally:
                        await response.aclose()
                except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                    if index == len(addresses) - 1:
                        raise HttpFailed(f"{url.host} cannot be reached: {error}.", code="http.unreachable") from None
                except httpx2.TransportError as error:
                    raise HttpFailed(f"The connection to {url.host} was lost: {error}.", code="http.lost") from None
        raise AssertionError("there is at least one address")

    async def _library(self) -> None:
        """Load the library and the certificates, once; in a thread, because it takes long."""
        if self._tls is None:
            httpx2: Any = await anyio.to_thread.run_sync(importlib.import_module, "httpx2")
            self._tls = await anyio.to_thread.run_sync(httpx2.create_ssl_context)


def _port(url: "httpx2.URL") -> int:
    return url.port or (443 if url.scheme == "https" else 80)


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HttpFailed(f"The name {host} leads nowhere: {error}.", code="http.unreachable") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
