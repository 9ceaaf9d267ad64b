"""Clients that are slow, idle or too many, over raw sockets: each is cut off, and the others are served."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from cappy.server.connections import Connection, bounded
from cappy.server.settings import Settings
from tests.server.conftest import Running

SECONDS = 1.0
HEAD = b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"


@pytest.fixture(scope="module")
def limited() -> Iterator[str]:
    running = Running("--body-seconds", str(SECONDS), "--keep-alive-seconds", "1", "--connections", "4")
    yield running.address
    assert "Traceback" not in running.stop()


@pytest.fixture
def address(limited: str) -> str:
    """The server's, once the connections of the test before are gone."""
    for _ in range(100):
        if connections(limited) == 1:
            return limited
        time.sleep(0.05)
    raise AssertionError(httpx.get(limited + "/metrics").text)


def connections(address: str) -> int:
    answer = httpx.get(address + "/metrics")
    lines = [line for line in answer.text.splitlines() if line.startswith("cappy_connections ")]
    return int(float(lines[0].split()[1])) if lines else -1


def connect(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def answer_of(connection: socket.socket) -> bytes:
    """Read one answer whose body is a JSON object."""
    got = b""
    while not got.endswith(b"}") and (part := connection.recv(65536)):
        got += part
    return got


def drip(connection: socket.socket, piece: bytes) -> float:
    """Send a piece every 50 ms until the server has hung up; return the seconds it took."""
    begun = time.monotonic()
    connection.settimeout(0.05)
    while time.monotonic() - begun < 15:
        try:
            connection.sendall(piece)
            if not connection.recv(4096):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begun


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_slow_body_gets_408_in_the_dialect_and_the_connection_is_closed(address: str) -> None:
    for path, key in ((b"/score", "error"), (b"/v2/rerank", "detail"), (b"/rerank", "error_type")):
        with connect(address) as connection:
            begun = time.monotonic()
            connection.sendall(HEAD.replace(b"/score", path) + b"\r\n{")
            for _ in range(3):
                time.sleep(0.1)
                connection.sendall(b" ")
            answer = read_all(connection)
            assert SECONDS - 0.1 < time.monotonic() - begun < SECONDS + 5
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in head.lower()
        assert key in json.loads(body)


@pytest.mark.parametrize("head", [HEAD + b"X-Slow: ", b"POST / HTTP/1.1\r\nX: ", b""])
def test_a_slow_head_is_cut_off(address: str, head: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(head)
        assert drip(connection, b"a" if head else b"") < SECONDS + 5


def test_a_slow_second_head_is_cut_off(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in answer_of(connection)
        connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
        assert drip(connection, b"a") < SECONDS + 5


def test_the_rest_of_a_refused_body_may_not_drip_for_ever(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(HEAD.replace(b"Length: 100", b"Length: 99999999") + b"\r\n{")
        assert b"413" in answer_of(connection)
        assert drip(connection, b" ") < SECONDS + 5


def test_an_idle_connection_is_closed_and_a_used_one_is_kept(address: str) -> None:
    ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(address) as connection:
        for _ in range(4):
            connection.sendall(ask)
            assert b"200" in answer_of(connection)
            time.sleep(0.5)
        begun = time.monotonic()
        assert connection.recv(4096) == b""
        assert time.monotonic() - begun < 5


def test_too_many_connections_get_503_in_the_dialect_and_the_rest_are_served(address: str) -> None:
    ask = json.dumps({"query": "a", "documents": ["b"]}).encode()
    head = b"POST /v2/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = head + b"Content-Length: %d\r\n\r\n%b" % (len(ask), ask)
    open_ones = [connect(address) for _ in range(4)]
    try:
        time.sleep(0.2)
        with connect(address) as one_more:
            one_more.sendall(request)
            answer = read_all(one_more)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer.lower()
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"].startswith("the server has too many")
        assert httpx.get(address + "/health").status_code == 200
        open_ones[0].sendall(request)
        assert answer_of(open_ones[0]).startswith(b"HTTP/1.1 200")
    finally:
        for one in open_ones:
            one.close()


def test_large_headers_are_refused(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(9):
            connection.sendall(b"X-Large: " + b"a" * 4096 + b"\r\n")
            time.sleep(0.05)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert httpx.get(address + "/health").status_code == 200


def test_nonsense_in_a_refused_body_ends_the_connection_quietly(address: str) -> None:
    head = b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    with connect(address) as connection:
        large = 9 * 2**20
        connection.sendall(head + b"%x\r\n" % large + b" " * large + b"\r\n")
        assert b"413" in answer_of(connection)
        connection.sendall(b"nonsense\r\n\r\n")
        with suppress(ConnectionResetError):
            assert read_all(connection) == b""
    assert httpx.get(address + "/health").status_code == 200


def test_answers_do_not_wait_for_acknowledgements() -> None:
    async def accepted() -> int:
        config = uvicorn.Config(lambda: None, http=bounded(Settings()), lifespan="off")
        config.load()
        made: list[Connection] = []

        def make() -> Connection:
            made.append(config.http_protocol_class(config, ServerState(), {}))
            return made[-1]

        # Of sockets made this way asyncio does not know the protocol, and sets nothing by itself.
        listening = socket.create_server(("127.0.0.1", 0))
        server = await asyncio.get_running_loop().create_server(make, sock=listening)
        _, writer = await asyncio.open_connection(*listening.getsockname())
        while not (made and made[0].transport):
            await asyncio.sleep(0.01)
        found = made[0].transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        server.close()
        return int(found)

    assert asyncio.run(accepted())


def test_a_head_over_the_limit_is_refused_even_where_it_comes_whole(address: str) -> None:
    ask = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: %b\r\n\r\n"
    with connect(address) as connection:
        connection.sendall(ask % (b"a" * 2**15))
        with suppress(ConnectionResetError):  # in pieces, of which the last is not read any more
            assert b" 400 " in read_all(connection).split(b"\r\n", 1)[0]
    with connect(address) as connection:
        connection.sendall(ask % (b"a" * 30_000))
        assert b" 200 " in connection.recv(100)


def test_a_stop_answers_half_sent_requests_and_every_line_of_the_log_is_json() -> None:
    running = Running("--drain-seconds", "1")
    half, nonsense = connect(running.address), connect(running.address)
    half.sendall(HEAD + b"\r\n{")
    nonsense.sendall(b"nonsense\r\n\r\n")
    assert b" 400 " in read_all(nonsense)
    running.process.terminate()
    answer = read_all(half)
    assert answer == b"" or b" 503 " in answer.split(b"\r\n", 1)[0]
    running.process.wait(timeout=30)  # or it is asked to stop a second time
    written = running.stop()
    assert all(line.startswith("{") for line in written.splitlines()), written
    lines = [json.loads(line) for line in written.splitlines()]
    assert any(line["event"] == "Invalid HTTP request received." for line in lines)
    assert not any("Traceback" in line["event"] for line in lines)
