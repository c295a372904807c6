"""A server that speaks Ollama's `/api/chat` on this machine, as far as `ChatOllama` needs it."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class OllamaServer:
    """What the server was asked, and how it answers: with words, up to `options.num_predict` of them."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.words = 30
        self.latency_seconds = 0.0
        self.base_url = ""

    def lines(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The pieces of an answer; the last one has its end and its usage."""
        limit = body.get("options", {}).get("num_predict") or -1
        written = self.words if limit < 0 else min(self.words, limit)
        head = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
        for _ in range(written):
            yield {**head, "message": {"role": "assistant", "content": "word "}, "done": False}
        yield {
            **head,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "length" if written < self.words else "stop",
            "prompt_eval_count": 11,
            "eval_count": written,
        }


@contextmanager
def serve_ollama() -> Iterator[OllamaServer]:
    """Serve for as long as the block runs."""
    served = OllamaServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.bodies.append(body)
            time.sleep(served.latency_seconds)  # the answer's latency
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.end_headers()
            for line in served.lines(body):
                self.wfile.write(json.dumps(line).encode() + b"\n")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's own name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.base_url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
