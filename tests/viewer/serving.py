"""A real viewer, in a thread, on a real socket; and a client that says exactly what it is told."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import uvicorn
from msgspec import Struct

from decisionlog.viewer.app import create_app
from decisionlog.viewer.guard import Guard
from tests.waiting import LIMIT

TOKEN = "the-token-of-this-test"


def until(condition: Callable[[], object]) -> None:
    """Ask again until it holds; the limit only ends what hangs."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Answer(Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """The status, and the type of the error."""
        assert self.headers["content-type"] == "application/json"
        assert self.json["error"]["message"]
        return self.status, self.json["error"]["type"]


class Client:
    """Asks one viewer; every request has a connection of its own."""

    def __init__(self, port: int, token: str = TOKEN) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.token = token

    def raw(
        self, path: str, headers: list[tuple[str, str]], method: str = "GET", body: bytes = b""
    ) -> Answer:
        """With these headers, and no others."""
        connection = self.connection()
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)

    def ask(self, path: str, *more: tuple[str, str], method: str = "GET") -> Answer:
        """As a program does that has the token."""
        known = [("Host", self.host), ("Authorization", f"Bearer {self.token}")]
        return self.raw(path, [*known, *more], method)

    def get(self, path: str) -> Any:
        """What the API answers; it does."""
        answer = self.ask(path)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/json"
        return answer.json

    def run(self, run_id: str, *rest: str, after: int | None = None) -> Any:
        """A run, or something of it."""
        path = "/".join(["/api/runs", *(quote(part, safe="") for part in (run_id, *rest))])
        return self.get(path if after is None else f"{path}?after={after}")

    @contextmanager
    def events(self, path: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """Server-sent events, name and data, as they come."""
        connection = self.connection()
        try:
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", self.host)
            connection.putheader("Authorization", f"Bearer {self.token}")
            connection.endheaders()
            response = connection.getresponse()
            assert response.status == 200
            assert response.getheader("content-type", "").startswith("text/event-stream")
            yield _events(response)
        finally:
            connection.close()


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


@contextmanager
def serving(path: Path) -> Iterator[Client]:
    """The viewer of a directory, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        guarded = Guard(create_app(path), token=TOKEN, hosts=hosts, port=port)
        config = uvicorn.Config(
            guarded, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Client(port)
        finally:
            server.should_exit = True
            thread.join(LIMIT)
            assert not thread.is_alive()
