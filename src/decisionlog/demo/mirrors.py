"""Three mirrors on the loopback interface which misbehave the way real ones do.

They are real TCP servers which speak enough HTTP/1.1 to be fetched from, and their faults are
real too: a reset is a RST on the wire, a stall is a socket that stays silent. Each mirror has a
temperament of its own, and on top of it each job meets its own weather: most find the mirrors as
they always are, some meet an outage, a file which nobody has, or a slow afternoon.

What a mirror does to a request follows from the seed, the job, the path and how often that path
was asked for, not from the order in which requests happen to arrive.
"""

import math
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from enum import StrEnum
from random import Random

import anyio
from anyio.abc import SocketAttribute, SocketStream
from msgspec import Struct
from msgspec.structs import replace

from decisionlog.demo.jobs import Job

MAX_HEAD = 16_384


class Fault(StrEnum):
    """What can go wrong with an answer."""

    BUSY = "busy"  # 503 with Retry-After
    RESET = "reset"
    STALL = "stall"
    TRUNCATE = "truncate"
    CORRUPT = "corrupt"


class Temperament(Struct, frozen=True):
    """How a mirror behaves: how fast it answers, and the chance of each fault."""

    latency: tuple[float, float]
    faults: Mapping[Fault, float] = {}
    retry_after: int = 1
    missing: float = 0.0  # the share of all files which this mirror never had
    lost: frozenset[str] = frozenset()  # files which it has not
    spoilt: frozenset[str] = frozenset()  # files of which it has only a bad copy


MIRRORS: Mapping[str, Temperament] = {
    "mirror-a": Temperament(  # quick and overloaded
        (0.02, 0.08), {Fault.BUSY: 0.14, Fault.RESET: 0.12, Fault.TRUNCATE: 0.04}, missing=0.03
    ),
    "mirror-b": Temperament(  # careless with its disks
        (0.06, 0.16), {Fault.CORRUPT: 0.12, Fault.TRUNCATE: 0.10}, missing=0.08
    ),
    "mirror-c": Temperament(  # complete and slow
        (0.12, 0.30), {Fault.STALL: 0.12, Fault.BUSY: 0.05}
    ),
}


class Weather(StrEnum):
    """What a job finds when it comes to the mirrors."""

    USUAL = "usual"
    OUTAGE = "outage"  # one mirror is down; the other two will do
    LOST_FILE = "lost file"  # one file is on no mirror
    SPOILT_FILE = "spoilt file"  # of one file every mirror has the same bad copy
    SLOW = "slow"  # nobody answers fast enough for the budget
    CLOSED = "closed"  # everyone is down for maintenance, for longer than the budget
    FLAPPING = "flapping"  # the network between drops most connections


TROUBLES = (Weather.LOST_FILE, Weather.SLOW, Weather.SPOILT_FILE, Weather.CLOSED, Weather.FLAPPING)


def forecast(runs: int, seed: int) -> list[Weather]:
    """The weather of every job: of three jobs in a row, one is in trouble that it cannot mend."""
    rng = Random(f"forecast {seed}")
    troubles = rng.sample(TROUBLES, k=len(TROUBLES))
    weathers: list[Weather] = []
    for block in range(math.ceil(runs / 3)):
        trouble = troubles[block % len(troubles)]
        weathers += rng.sample([Weather.USUAL, rng.choice(list(Weather)[:2]), trouble], k=3)
    return weathers[:runs]


def under(
    weather: Weather, usual: Temperament, job: Job, *, unlucky: bool, rng: Random
) -> Temperament:
    """How a mirror behaves towards one job. The mirror that is down in an outage is `unlucky`."""
    victim = frozenset({rng.choice(job.files).path})
    match weather:
        case Weather.USUAL:
            return usual
        case Weather.OUTAGE:
            return replace(usual, faults={Fault.BUSY: 1.0}, retry_after=30) if unlucky else usual
        case Weather.LOST_FILE:
            return replace(usual, lost=victim)
        case Weather.SPOILT_FILE:
            return replace(usual, spoilt=victim)
        case Weather.SLOW:
            return replace(usual, latency=(0.6, 1.4), faults={Fault.STALL: 0.35})
        case Weather.CLOSED:
            return replace(usual, faults={Fault.BUSY: 1.0}, retry_after=120)
        case Weather.FLAPPING:
            return replace(usual, faults={Fault.RESET: 0.7, Fault.TRUNCATE: 0.25})


class Mirror:
    """One server. Use `open_mirrors` to have it listen."""

    def __init__(
        self, name: str, library: Mapping[str, bytes], temperament: Temperament, seed: int = 0
    ) -> None:
        self.name = name
        self.address: tuple[str, int] = ("127.0.0.1", 0)
        self._library = library
        self._temperament = temperament
        self._towards: dict[str, Temperament] = {}
        self._seed = seed
        self._asked: Counter[tuple[str, str]] = Counter()

    def expect(self, job: Job, weather: Weather, *, unlucky: bool) -> None:
        """Prepare the weather which this job will meet here."""
        # Not seeded by the mirror's name: a lost file is the same file on every mirror.
        rng = Random(f"weather {self._seed} {job.ticket}")
        usual = self._temperament
        self._towards[job.ticket] = under(weather, usual, job, unlucky=unlucky, rng=rng)

    async def serve(self, stream: SocketStream) -> None:
        """Answer one request, well or badly, and close the connection."""
        async with stream:
            # A client may lose its patience and leave, or talk nonsense.
            with suppress(
                OSError, anyio.BrokenResourceError, anyio.EndOfStream, anyio.DelimiterNotFound
            ):
                await self._answer(stream, *await _read_request(stream))

    async def _answer(self, stream: SocketStream, path: str, ticket: str) -> None:
        temperament = self._towards.get(ticket, self._temperament)
        self._asked[ticket, path] += 1
        rng = Random(f"{self._seed} {self.name} {ticket} {path} {self._asked[ticket, path]}")
        await anyio.sleep(rng.uniform(*temperament.latency))

        fault = _draw(temperament.faults, rng)
        if fault is Fault.BUSY:
            retry_after = f"Retry-After: {temperament.retry_after}\r\n"
            await stream.send(_response("503 Service Unavailable", b"", retry_after))
            return
        body = self._body(path, temperament)
        if body is None:
            await stream.send(_response("404 Not Found", b""))
            return
        if fault is Fault.RESET:
            _reset_on_close(stream)
            return
        if fault is Fault.CORRUPT:
            body = _spoil(body, rng)
        answer = _response("200 OK", body)
        if fault in (Fault.TRUNCATE, Fault.STALL):
            answer = answer[: len(answer) - rng.randint(1, len(body))]
        await stream.send(answer)
        if fault is Fault.STALL:
            await stream.receive()  # silence, until the client goes away

    def _body(self, path: str, temperament: Temperament) -> bytes | None:
        body = self._library.get(path)
        never_had = Random(f"{self._seed} {self.name} {path}").random() < temperament.missing
        if body is None or path in temperament.lost or never_had:
            return None
        return _spoil(body, Random(path)) if path in temperament.spoilt else body


@asynccontextmanager
async def open_mirrors(
    library: Mapping[str, bytes],
    temperaments: Mapping[str, Temperament] = MIRRORS,
    *,
    seed: int = 0,
) -> AsyncGenerator[Sequence[Mirror], None]:
    """Have the mirrors listen, each on a free port of the loopback interface."""
    mirrors = [Mirror(name, library, mood, seed) for name, mood in temperaments.items()]
    async with AsyncExitStack() as listeners, anyio.create_task_group() as servers:
        for mirror in mirrors:
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
            await listeners.enter_async_context(listener)
            mirror.address = ("127.0.0.1", listener.extra(SocketAttribute.local_port))
            servers.start_soon(listener.serve, mirror.serve)
        try:
            yield mirrors
        finally:
            servers.cancel_scope.cancel()


def announce(mirrors: Sequence[Mirror], jobs: Sequence[Job], seed: int) -> None:
    """Tell the mirrors which weather each job will meet."""
    rng = Random(f"outage {seed}")
    for job, weather in zip(jobs, forecast(len(jobs), seed), strict=True):
        unlucky = rng.choice(mirrors)
        for mirror in mirrors:
            mirror.expect(job, weather, unlucky=mirror is unlucky)


async def _read_request(stream: SocketStream) -> tuple[str, str]:
    """The path asked for and the job that asks."""
    head = b""
    while b"\r\n\r\n" not in head:
        if len(head) > MAX_HEAD:
            raise anyio.DelimiterNotFound(MAX_HEAD)
        head += await stream.receive()
    request, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    path = request.partition(" ")[2].partition(" ")[0].lstrip("/")
    return path, headers.get("job", "")


def _response(status: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode("ascii") + body


def _draw(faults: Mapping[Fault, float], rng: Random) -> Fault | None:
    left = rng.random()
    for fault, chance in faults.items():
        left -= chance
        if left < 0:
            return fault
    return None


def _spoil(body: bytes, rng: Random) -> bytes:
    """The same length, one byte wrong."""
    at = rng.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]


def _reset_on_close(stream: SocketStream) -> None:
    """With a linger time of zero, closing sends a RST instead of a FIN."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
