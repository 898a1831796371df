"""The `http` capability against a real server on loopback."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from support.ports import CALLER, RecordingRun
from vespiary.capabilities.http import HttpCapability, HttpFailed
from vespiary.capabilities.http_hosts import is_granted, may_connect
from vespiary.capabilities.http_request import read_request
from vespiary.model.errors import RequestRefused
from vespiary.model.grants import Grant, Grants
from vespiary.model.runs import Mode

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


class Web(ThreadingHTTPServer):
    """Answers by path; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.routes: dict[str, list[Answer]] = {}
        self.stop = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def on(self, path: str, *answers: Answer) -> str:
        self.routes[path] = list(answers)
        return f"http://{self.host}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Web  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.server.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if self.path == "/never":
            self.server.stop.wait(20)
            return
        answers = self.server.routes.get(self.path) or [(404, {}, b"")]
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in ({"content-length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_POST = do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815 http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


async def no_sleep(_: float) -> None:
    """Time flies."""


async def ask(url: str, *hosts: str, grant: Grant = Grant.ALLOW, **more: Any) -> Json:
    capability = HttpCapability(RecordingRun(Grants(http=grant, hosts=hosts)), sleep=no_sleep)
    answer: Json = json.loads(await capability(CALLER, json.dumps({"url": url, **more})))
    return answer


async def refusal(url: str, *hosts: str, **more: Any) -> str:
    with pytest.raises(RequestRefused) as caught:
        await ask(url, *hosts, **more)
    return caught.value.code


TEXT = {"content-type": "text/plain; charset=utf-8"}


@pytest.mark.anyio
@requirement("http:answer")
async def test_text_comes_as_text_with_status_headers_and_url(web: Web) -> None:
    url = web.on("/a?b=1", (200, TEXT, "é".encode()))
    answer = await ask(url, web.host)
    assert (answer["status"], answer["body"], answer["truncated"], answer["url"]) == (200, "é", False, url)
    assert answer["headers"]["content-type"] == TEXT["content-type"]
    assert "body_base64" not in answer


@pytest.mark.anyio
@requirement("http:answer")
@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("text/plain; charset=latin-1", b"\xe9", "é"),
        ("application/json", b"{}", "{}"),
        ("", b"plain", "plain"),
        ("text/plain", b"\xff\xfe", None),
        ("text/plain; charset=nonsense", b"x", None),
        ("text/plain; charset=zlib", b"x", None),
        ("application/octet-stream", b"abc", None),
        ("image/png", b"abc", None),
        ("", b"a\x00b", None),
    ],
)
async def test_what_is_no_text_comes_as_base64(web: Web, kind: str, content: bytes, text: str | None) -> None:
    answer = await ask(web.on("/x", (200, {"content-type": kind} if kind else {}, content)), web.host)
    if text is None:
        assert (answer["body"], base64.b64decode(answer["body_base64"])) == ("", content)
    else:
        assert answer["body"] == text


@pytest.mark.anyio
async def test_what_an_actor_sends_arrives(web: Web) -> None:
    url = web.on("/p", (201, {}, b""))
    answer = await ask(url, web.host, method="post", headers={"X-One": "1"}, body="é")
    assert answer["status"] == 201
    method, path, headers, body = web.asked[0]
    assert (method, path, headers["x-one"], body, headers["host"]) == ("POST", "/p", "1", "é".encode(), web.host)


@pytest.mark.anyio
@requirement("http:grants")
async def test_without_a_grant_or_a_granted_host_nothing_is_sent(web: Web) -> None:
    url = web.on("/a", (200, {}, b""))
    assert await refusal(url, web.host, grant=Grant.DENY) == "http.not-granted"
    assert await refusal(url, web.host, grant=Grant.ASK) == "http.not-granted"
    assert await refusal(url, "example.org") == "http.host-refused"
    assert await refusal(url, "127.0.0.1") == "http.host-refused"
    assert web.asked == []


@pytest.mark.anyio
@requirement("http:grants")
async def test_every_hop_of_a_redirect_is_judged(web: Web) -> None:
    for target in ("http://example.org/", "//169.254.169.254/", "file:///etc/passwd", "http://user:pw@127.0.0.1/"):
        url = web.on("/r", (302, {"location": target}, b""))
        assert (await refusal(url, web.host)).startswith("http.")
    url = web.on("/r", (302, {"location": "/end"}, b""))
    web.on("/end", (200, {}, b"end"))
    answer = await ask(url, web.host)
    assert (answer["body"], answer["url"]) == ("end", f"http://{web.host}/end")


@pytest.mark.anyio
@requirement("http:grants")
async def test_credentials_do_not_follow_to_another_host(web: Web) -> None:
    other = f"localhost:{web.server_port}"
    url = web.on("/r", (303, {"location": f"http://{other}/end"}, b""))
    web.on("/end", (200, {}, b""))
    secret = {"authorization": "Bearer x", "cookie": "a=b", "x-other": "1"}
    await ask(url, web.host, other, method="POST", body="secret", headers=secret)
    method, _, headers, body = web.asked[-1]
    assert (method, body, headers.get("x-other")) == ("GET", b"", "1")
    assert not headers.keys() & {"authorization", "cookie"}


@pytest.mark.anyio
@requirement("http:bounds")
async def test_redirects_in_a_circle_end(web: Web) -> None:
    with pytest.raises(HttpFailed, match="redirects"):
        await ask(web.on("/r", (302, {"location": "/r"}, b"")), web.host)
    assert len(web.asked) == 11


@pytest.mark.anyio
@requirement("http:bounds", "http:answer")
async def test_a_long_body_is_cut_and_says_so(web: Web) -> None:
    url = web.on("/long", (200, TEXT, "é".encode() * 10))
    answer = await ask(url, web.host, max_bytes=5)
    assert (answer["body"], answer["truncated"]) == ("éé", True)


@pytest.mark.anyio
@requirement("http:bounds")
async def test_a_compressed_body_is_never_unpacked(web: Web) -> None:
    url = web.on("/z", (200, {"content-encoding": "gzip", "content-type": "text/plain"}, b"\x1f\x8bnot really"))
    answer = await ask(url, web.host)
    assert base64.b64decode(answer["body_base64"]) == b"\x1f\x8bnot really"
    assert web.asked[0][2]["accept-encoding"] == "identity"


@pytest.mark.anyio
@requirement("http:bounds")
async def test_a_silent_server_is_left_after_the_time(web: Web) -> None:
    with pytest.raises(HttpFailed) as caught:
        await ask(f"http://{web.host}/never", web.host, timeout_ms=50)
    assert caught.value.code == "http.timeout"


@pytest.mark.anyio
@requirement("http:bounds")
async def test_attempts_are_made_as_often_as_asked_and_no_oftener(web: Web) -> None:
    busy: Answer = (503, {}, b"busy")
    url = web.on("/b", busy, busy, (200, {}, b"ok"))
    assert (await ask(url, web.host))["status"] == 503
    assert (await ask(url, web.host, attempts=3))["body"] == "ok"
    web.on("/b", busy)
    web.asked.clear()
    assert (await ask(url, web.host, attempts=3))["status"] == 503
    assert len(web.asked) == 3


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(HttpFailed) as caught:
        await ask(f"http://127.0.0.1:{port}/", f"127.0.0.1:{port}", attempts=2)
    assert caught.value.code == "http.unreachable"


@pytest.mark.anyio
@requirement("http:addresses")
async def test_a_granted_name_that_leads_to_a_private_address_is_refused(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rebound(host: str, port: int, **_: Any) -> list[Any]:
        return [(0, 0, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(anyio, "getaddrinfo", rebound)
    url = f"http://example.org:{web.server_port}/"
    grant = f"example.org:{web.server_port}"
    assert await refusal(url, grant) == "http.private-address"
    assert web.asked == []
    await ask(url, grant, web.host)
    assert web.asked[0][2]["host"] == grant


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("nonsense", False),
    ],
)
@requirement("http:addresses")
def test_a_name_leads_to_public_addresses_only(address: str, reached: bool) -> None:
    assert may_connect("example.org", 443, address, ["example.org"]) is reached


@requirement("http:addresses")
def test_a_private_address_is_reached_when_it_was_granted_itself() -> None:
    assert may_connect("intranet", 80, "10.0.0.1", ["intranet", "10.0.0.1"])
    assert may_connect("intranet", 8080, "10.0.0.1", ["intranet:8080", "10.0.0.1:8080"])
    assert not may_connect("intranet", 8080, "10.0.0.1", ["intranet:8080", "10.0.0.1"])
    assert may_connect("localhost", 1, "::1", ["localhost:1"])
    assert not may_connect("localhost", 1, "10.0.0.1", ["localhost:1"])


@requirement("http:grants")
def test_a_host_is_granted_by_its_exact_name() -> None:
    assert is_granted("https", "example.org", 443, ["Example.org"])
    assert is_granted("http", "::1", 80, ["[::1]"])
    for host, port in (("example.org", 8443), ("www.example.org", 443), ("example.org.", 443), ("xexample.org", 443)):
        assert not is_granted("https", host, port, ["example.org"])


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"url": ""},
        {"url": "http://a b/"},
        {"url": "http://a\\@b/"},
        {"url": "http://a\r\nHost: b/"},
        {"url": "http://a", "method": "CONNECT"},
        {"url": "http://a", "headers": {"Host": "b"}},
        {"url": "http://a", "headers": {"Transfer-Encoding": "chunked"}},
        {"url": "http://a", "headers": {"X": "a\r\nY: b"}},
        {"url": "http://a", "headers": {"X:": "a"}},
        {"url": "http://a", "headers": {"X": 1}},
        {"url": "http://a", "timeout_ms": 0},
        {"url": "http://a", "max_bytes": 10**9},
        {"url": "http://a", "attempts": 99},
        {"url": "http://a", "nonsense": 1},
    ],
)
@requirement("http:bounds")
def test_a_malformed_request_is_refused(request_: Json) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(json.dumps(request_))
    assert caught.value.code == "http.request"


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["ftp://a/", "a", "//a/", "http://", "http://u:p@a/", "http://[::1", "http://a:99999/"])
@requirement("http:grants")
async def test_a_url_that_cannot_be_meant_is_refused(url: str) -> None:
    assert (await refusal(url, "a", "u")).startswith("http.")


@given(st.text())
def test_any_payload_is_read_or_refused_and_may_be_asked_for_repeating(payload: str) -> None:
    assert isinstance(HttpCapability(RecordingRun()).repeatable(payload), bool)


def test_only_what_changes_nothing_is_repeated_after_a_crash() -> None:
    capability = HttpCapability(RecordingRun())
    for method, repeated in (("GET", True), ("HEAD", True), ("POST", False), ("DELETE", False)):
        assert capability.repeatable(json.dumps({"url": "http://a", "method": method})) is repeated


@pytest.mark.anyio
@requirement("app:plan-mode")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_plan_sends_nothing(method: str, web: Web) -> None:
    url = web.on("/a", (200, TEXT, b"ok"))
    run = RecordingRun(Grants(http=Grant.ALLOW, hosts=(web.host,)), mode=Mode.PLAN)
    capability = HttpCapability(run, sleep=no_sleep)
    with pytest.raises(RequestRefused) as caught:
        await capability(CALLER, json.dumps({"url": url, "method": method, "body": "x"}))
    assert caught.value.code == "http.plan"
    assert web.asked == []
    assert json.loads(await capability(CALLER, json.dumps({"url": url})))["body"] == "ok"
