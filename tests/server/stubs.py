"""Servers that say what a test wants: a language model, and a Cappy that refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(answer: Callable[[str, Any], Answer]) -> Iterator[str]:
    """Serve on loopback; `answer` turns a path and a body (None for GET) into status, headers and content."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*answer(self.path, None))

        def do_POST(self) -> None:
            self._send(*answer(self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def says(texts: list[str]) -> Callable[[str, Any], Answer]:
    """Be an OpenAI-compatible language model that says these texts, over and over."""

    def answer(path: str, body: Any) -> Answer:
        if body is None:
            content: dict[str, Any] = {"object": "list", "data": [{"id": "stub", "object": "model", "owned_by": "me"}]}
        else:
            said = [texts[place % len(texts)] for place in range(body.get("n") or 1)]
            choices = [
                {"index": place, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                for place, text in enumerate(said)
            ]
            content = {"id": "1", "object": "chat.completion", "created": 1, "model": "stub", "choices": choices}
            content["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return 200, {"content-type": "application/json"}, json.dumps(content).encode()

    return answer
