"""Bytes to messages."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.fronts.lsp.core.framing import MAX_HEADER, Framer, FramingError, frame

GOOD = b'{"jsonrpc":"2.0","method":"m"}'

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def feed(framer: Framer, *pieces: bytes) -> list[Any]:
    return [item for piece in pieces for item in framer.feed(piece)]


@given(st.lists(json_values, max_size=5), st.lists(st.integers(0, 400), max_size=12))
def test_messages_arrive_whole_however_they_are_cut(values: list[Any], cuts: list[int]) -> None:
    bodies = [json.dumps(value).encode() for value in values]
    stream = b"".join(frame(body) for body in bodies)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert feed(Framer(), *pieces) == bodies


@requirement("core:malformed")
@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"Content-Length: abc\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nabcde",
        b"Content-Type: x\r\n\r\n",
        b"Content-Length: 999999999999999\r\n\r\n",
        b"Content-Length: " + b"9" * 400 + b"\r\n\r\n",
        b"x" * (MAX_HEADER + 10),
        b"\x00\xff\xfe\r\n\r\n",
        b"X" * 10_000 + b"\r\n\r\n" + b"content-length: no\r\n\r\n",
    ],
)
def test_after_garbage_the_next_message_is_read(garbage: bytes) -> None:
    for pieces in ([garbage + frame(GOOD)], [bytes([byte]) for byte in garbage + frame(GOOD)]):
        items = feed(Framer(), *pieces)
        assert items[-1] == GOOD
        assert items[:-1]
        assert all(isinstance(item, FramingError) and not item.fatal for item in items[:-1])


@given(st.binary(max_size=300))
def test_no_bytes_raise_and_a_message_after_them_is_found(garbage: bytes) -> None:
    framer = Framer()
    feed(framer, garbage)
    if framer._need >= 0:
        return  # The garbage was a valid header: what follows is its body.
    assert feed(framer, frame(GOOD), frame(GOOD))[-1] == GOOD


def test_a_length_that_is_too_small_costs_one_message() -> None:
    wrong = b"Content-Length: 10\r\n\r\n" + GOOD
    items = feed(Framer(), wrong + frame(GOOD) + frame(GOOD))
    assert items[0] == GOOD[:10]
    assert [item for item in items[1:] if isinstance(item, bytes)] == [GOOD, GOOD]


def test_headers_inside_a_document_are_not_taken_for_headers() -> None:
    text = "Content-Length: 30\r\n\r\n" + GOOD.decode()
    big = json.dumps({"text": text}).encode()
    items = feed(Framer(max_body=len(big) - 1), frame(big) + frame(GOOD))
    assert [item for item in items if isinstance(item, bytes)] == [GOOD]


@requirement("core:tcp")
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 30\r\n\r\n" + GOOD,
        b"Host: 127.0.0.1\r\nContent-Length: 30\r\n\r\n" + GOOD,
        b"GET / HTTP/1.1\r\n\r\n" + frame(GOOD),
    ],
)
def test_strict_reading_ends_at_anything_like_http(request_bytes: bytes) -> None:
    framer = Framer(strict=True)
    (error,) = feed(framer, request_bytes)
    assert isinstance(error, FramingError)
    assert error.fatal
    assert feed(framer, frame(GOOD)) == []


def test_a_large_body_in_small_pieces_is_not_looked_at_again() -> None:
    body = b"[" + b"1," * 200_000 + b"1]"
    stream = frame(body)
    assert feed(Framer(), *(stream[i : i + 999] for i in range(0, len(stream), 999))) == [body]
