"""The viewer's process: the socket, the server, and the address that is printed."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from msgspec import Struct

from decisionlog.errors import DecisionLogError
from decisionlog.viewer.app import create_app
from decisionlog.viewer.guard import Guard, new_token

PORT = 8765
"""Where it listens when nobody says otherwise; the next free one if this is taken."""
_TRIED = 20


class PortError(DecisionLogError):
    """The viewer cannot listen there."""


class Address(Struct, frozen=True):
    """Where the viewer is, and how one gets in."""

    port: int
    token: str

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"


def serve(path: Path, port: int | None, ready: Callable[[Address], None]) -> None:
    """Show the runs of a directory until somebody ends it (ctrl-C).

    Args:
        path: The directory given to `Runtime`.
        port: Where to listen on the loopback interface, 0 for any free port; None for the first
            free one from 8765 on.
        ready: Told the address, once it can be opened.

    Raises:
        PortError: the port is taken.
    """
    with _listening(port) as listener:
        bound: int = listener.getsockname()[1]
        address = Address(bound, new_token())
        hosts = frozenset({f"127.0.0.1:{bound}", f"localhost:{bound}"})
        guarded = Guard(create_app(path), token=address.token, hosts=hosts, port=bound)
        config = uvicorn.Config(
            guarded, log_config=None, access_log=False, server_header=False, date_header=False,
            lifespan="on", ws="none", proxy_headers=False, timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
        )  # fmt: skip
        # Streams that are open when it ends are cut off, which uvicorn would report as an error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        server = _Server(config, lambda: ready(address))
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self._tell()


def _listening(port: int | None) -> socket.socket:
    candidates = [port] if port is not None else [*range(PORT, PORT + _TRIED), 0]
    failure: OSError | None = None
    for candidate in candidates:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":  # else a viewer that ends keeps the port taken for a minute
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen(128)
        except (OSError, OverflowError) as error:
            listener.close()
            failure = error if isinstance(error, OSError) else OSError(str(error))
        else:
            return listener
    raise PortError(f"cannot listen on 127.0.0.1:{port}: {failure}; name another --port, or 0")
