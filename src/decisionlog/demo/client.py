"""A small HTTP client which fetches one file and vouches for it, or says exactly what went wrong.

Every way to fail is an exception of its own. They pass through the agent's decision scope, so
their type and text are what the log says about the attempt.
"""

import hashlib
import time

import anyio
from anyio.abc import SocketStream
from msgspec import Struct

from decisionlog.demo.jobs import Item
from decisionlog.demo.wording import duration

Address = tuple[str, int]


class Download(Struct, frozen=True):
    """A file whose SHA-256 is the one in the manifest."""

    body: bytes
    seconds: float


class FetchError(Exception):
    """An attempt that brought no usable file."""

    kind = "error"  # a word for counting


class Unavailable(FetchError):
    """The mirror answered 503 and may have said for how long."""

    kind = "HTTP 503"

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class NotFound(FetchError):
    """The mirror has no such file."""

    kind = "HTTP 404"


class BadAnswer(FetchError):
    """The mirror answered something that is no usable HTTP."""

    kind = "bad answer"


class ConnectionLost(FetchError):
    """The connection was refused, reset, or closed before an answer."""

    kind = "dropped connection"


class TimedOut(FetchError):
    """The whole answer did not come in time."""

    kind = "timeout"


class Truncated(FetchError):
    """The mirror closed the connection before the end of the file."""

    kind = "truncation"


class ChecksumMismatch(FetchError):
    """The file came whole and is not what the manifest says."""

    kind = "bad checksum"

    def __init__(self, what: str, digest: str) -> None:
        super().__init__(what)
        self.digest = digest


async def fetch(address: Address, item: Item, *, ticket: str, timeout: float) -> Download:
    """Get one file from one mirror, once."""
    started = time.monotonic()
    exchange = _Exchange(address, item, ticket)
    try:
        with anyio.fail_after(timeout):
            body = await exchange.run()
    except TimeoutError:
        what = f"no complete answer within {duration(timeout)} ({exchange.progress} had come)"
        raise TimedOut(what) from None
    except (OSError, anyio.BrokenResourceError):
        raise ConnectionLost(f"connection reset after {exchange.progress}") from None

    digest = hashlib.sha256(body).hexdigest()
    if digest != item.sha256:
        what = f"checksum mismatch, got sha256 {digest[:12]}…, expected {item.sha256[:12]}…"
        raise ChecksumMismatch(what, digest)
    return Download(body, time.monotonic() - started)


class _Exchange:
    """One request and its answer; it remembers how far it got when it is interrupted."""

    def __init__(self, address: Address, item: Item, ticket: str) -> None:
        self._address = address
        self._item = item
        self._ticket = ticket
        self._body = b""

    @property
    def progress(self) -> str:
        return f"{len(self._body):,} of {self._item.size:,} bytes"

    async def run(self) -> bytes:
        host, port = self._address
        try:
            stream = await anyio.connect_tcp(host, port)
        except OSError:
            raise ConnectionLost("no connection") from None
        async with stream:
            request = (
                f"GET /{self._item.path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
                f"Job: {self._ticket}\r\nConnection: close\r\n\r\n"
            )
            await stream.send(request.encode("ascii"))
            status, headers = await self._read_head(stream)
            if status == 503:
                seconds = headers.get("retry-after", "")
                what = f"HTTP 503, Retry-After {seconds} s" if seconds else "HTTP 503"
                raise Unavailable(what, float(seconds) if seconds.isdecimal() else 0.0)
            if status == 404:
                raise NotFound(f"HTTP 404, no {self._item.path} there")
            length = headers.get("content-length", "")
            if status != 200 or not length.isdecimal():
                what = f"HTTP {status}, Content-Length {length or 'absent'}"
                raise BadAnswer(what)
            await self._read_body(stream, int(length))
            return self._body

    async def _read_head(self, stream: SocketStream) -> tuple[int, dict[str, str]]:
        head, end, body = b"", b"", b""
        while not end:
            try:
                head, end, body = (head + await stream.receive()).partition(b"\r\n\r\n")
            except anyio.EndOfStream:
                raise ConnectionLost("connection closed before an answer") from None
        self._body = body
        answer, *lines = head.decode("latin-1").split("\r\n")
        code = answer.partition(" ")[2].partition(" ")[0]
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        return int(code) if code.isdecimal() else 0, headers

    async def _read_body(self, stream: SocketStream, length: int) -> None:
        while len(self._body) < length:
            try:
                self._body += await stream.receive()
            except anyio.EndOfStream:
                what = f"truncated, closed after {len(self._body):,} of {length:,} bytes"
                raise Truncated(what) from None
