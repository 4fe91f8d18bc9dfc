"""
`carnet serve`: one process, or several (`workers`), that answer HTTP until told to stop (design.md §9).

What can go wrong before the first request (port taken, no installation, wrong passphrase) is raised as a `CarnetError`
in one plain sentence with its fix. Stopping (SIGTERM, Ctrl-C) takes no new requests, finishes those in flight within
`STOP_SECONDS`, closes the database, and is a success.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import uvicorn

from carnet.core.errors import StateError, UsageError
from carnet.server.accepting import Acceptor, Spare, raise_limit
from carnet.server.api.logs import configure_logs, log
from carnet.server.api.protocol import BoundedProtocol
from carnet.server.app import create_app
from carnet.server.installation import Installation, open_installation
from carnet.server.jobs.running import running_jobs
from carnet.server.layout import Layout, read_record
from carnet.server.settings import Settings
from carnet.server.siblings import Siblings
from carnet.server.workers import Post, Workers

STOP_SECONDS: Final = 10
"""How long requests in flight may take once we are told to stop (REL-14)."""

KEEP_ALIVE_SECONDS: Final = 15
BACKLOG: Final = 1024


def bind(host: str, port: int) -> socket.socket:
    """
    Take the address to listen on.

    Args:
        host: A name or an address, IPv4 or IPv6.
        port: 0 lets the system choose.

    Raises:
        StateError: ``port_taken``, ``port_not_allowed``, ``host_not_here``.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StateError(
            "host_not_here", f"{host!r} is not an address of this machine.", "Set CARNET_HOST to 127.0.0.1 or 0.0.0.0."
        ) from error
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name != "nt":  # on Windows it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _cannot_listen(error, host, port) from error
    listening.setblocking(False)
    return listening


def _cannot_listen(error: OSError, host: str, port: int) -> StateError:
    if error.errno == errno.EADDRINUSE:
        return StateError(
            "port_taken",
            f"Port {port} on {host} is taken by another program.",
            "Stop that program, or choose another port with CARNET_PORT.",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return StateError(
            "port_not_allowed",
            f"This user may not listen on port {port}.",
            "Choose a port from 1024 with CARNET_PORT, and let a reverse proxy have the low one.",
        )
    return StateError(
        "host_not_here",
        f"Cannot listen on {host} port {port}: {error.strerror}.",
        "Set CARNET_HOST to an address of this machine, such as 127.0.0.1 or 0.0.0.0.",
    )


def serve(
    settings: Settings,
    *,
    out: IO[str] | None = None,
    ready: Callable[[str], None] | None = None,
) -> int:
    """
    Serve until told to stop.

    Args:
        settings: As read from the environment.
        out: Where the banner and the log lines go; standard error when None.
        ready: Told the address, once requests are answered.

    Returns:
        The exit status: 0 after an orderly stop, 1 if requests had to be cut off.

    Raises:
        CarnetError: It cannot start; one sentence and its fix.
    """
    stream = sys.stderr if out is None else out
    configure_logs(stream)
    _check_workers(settings)
    for name in settings.unused:
        log.warning("setting.unused", name=name, note="Carnet needs no such service; unset it.")
    raise_limit()
    listening = bind(settings.host, settings.port)
    with contextlib.closing(listening):
        if settings.workers == 1:
            return _serve_alone(settings, listening, stream, ready or _nobody)

        def first_ready(address: str) -> None:
            _announce(settings, address, stream)
            if ready is not None:
                ready(address)

        with tempfile.TemporaryDirectory(prefix="carnet-", ignore_cleanup_errors=True) as folder:

            def work(post: Post) -> int:
                siblings = Siblings(Path(folder), post.number, settings.workers)
                return _serve_alone(settings, listening, None, post.ready, lifeline=post.lifeline, siblings=siblings)

            return Workers(settings.workers, work).run(first_ready)


def _check_workers(settings: Settings) -> None:
    if settings.workers > 1 and settings.postgres is None:
        raise UsageError(
            "bad_setting",
            f"CARNET_WORKERS is {settings.workers}, and the embedded database has one writer: one process serves it.",
            "Unset CARNET_WORKERS, or keep the data in PostgreSQL with CARNET_DATABASE_URL.",
        )
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise UsageError(
            "bad_setting",
            f"CARNET_WORKERS is {settings.workers}, and this system has no fork: one process serves here.",
            "Unset CARNET_WORKERS, and run more servers beside it on other ports if one is not enough.",
        )


async def _warn_of_idle_token(installation: Installation) -> None:
    """Say it where somebody set a token that nobody can use: they would look for the mistake in what they send."""
    token = installation.settings.admin_token
    if token is not None and await installation.apikeys.working(token) is None:
        log.warning(
            "setting.ignored",
            name="CARNET_ADMIN_TOKEN",
            note="It counts at carnet init only, and is no token that works here. Unset it; carnet apikey create"
            " makes another.",
        )


def _nobody(_address: str) -> None:
    """Nobody wants to know that requests are answered."""


def _serve_alone(
    settings: Settings,
    listening: socket.socket,
    banner: IO[str] | None,
    ready: Callable[[str], None],
    *,
    lifeline: int | None = None,
    siblings: Siblings | None = None,
) -> int:
    with contextlib.closing(Spare()) as spare, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run(settings, listening, spare, banner, ready, lifeline=lifeline, siblings=siblings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _run(
    settings: Settings,
    listening: socket.socket,
    spare: Spare,
    banner: IO[str] | None,
    ready: Callable[[str], None],
    *,
    lifeline: int | None,
    siblings: Siblings | None,
) -> int:
    def say(sentence: str) -> None:
        log.info("server.starting", note=sentence)

    async with open_installation(settings, say=say) as installation, running_jobs(installation):
        if siblings is None or siblings.own == 0:
            await _warn_of_idle_token(installation)
        # The root's own keys were proved by opening. One product's broken key is no reason to fail all of them.
        for broken in await installation.keys.prove():
            log.error("key.broken", kid=broken.kid, product=broken.product, code=broken.code)
        app = create_app(installation, siblings)
        server = Server(app, spare)
        address = _address(listening)

        def started() -> None:
            if banner is not None:
                _announce(settings, address, banner)
            ready(address)

        server.on_started = started
        if lifeline is not None:
            asyncio.get_running_loop().add_reader(lifeline, server.stop)
        # What is there now stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        async with contextlib.nullcontext() if siblings is None else siblings.answering(app.metrics.render):
            await server.serve(sockets=[listening])
        log.info("server.stopped", cut_off=server.cut_off)
        return 1 if server.cut_off else 0


class Server(uvicorn.Server):
    """uvicorn's server with our bounds, logs and manners at the end."""

    def __init__(self, app: Any, spare: Spare) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level=logging.WARNING,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
                backlog=BACKLOG,
            )
        )
        self.on_started: Callable[[], None] | None = None
        self.cut_off = 0
        self._spare = spare
        self._acceptors: list[Acceptor] = []

    def stop(self) -> None:
        """An orderly stop, as SIGTERM begins it."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        if os.name == "nt":  # its event loop takes connections in a way of its own
            await super().startup(sockets)
        else:
            await super().startup([])
            connections: set[Any] = self.server_state.connections  # all of them are ours
            self._acceptors = [Acceptor(each, self._connection, connections, self._spare) for each in sockets or []]
        if self.on_started is not None:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking requests, finish those in flight, count those that did not make it."""
        log.info("server.stopping", in_flight=len(self.server_state.tasks))
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets)
        self.cut_off = len(self.server_state.tasks)

    def _connection(self) -> asyncio.BaseProtocol:
        return BoundedProtocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=None
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but the signal that stopped us is not raised again: an orderly stop is a success."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(settings: Settings, address: str, stream: IO[str]) -> None:
    """Say where it listens and what to do next: a banner for people, one structured line for a pipe."""
    record = read_record(Layout(data=settings.data))
    if not stream.isatty():
        log.info(
            "server.listening",
            address=address,
            public_url=settings.base_url,
            data=str(settings.data),
            issuer=record.issuer,
            anchor=record.anchor,
        )
        return
    lines = [
        "",
        f"  Carnet {_version()} answers at {address}",
        "",
        f"  data      {settings.data.absolute()}",
        f"  anchor    {record.anchor}",
        f"  contract  {address}/openapi.json     health  {address}/readyz",
        "",
        "  Next, in another terminal:",
        "    carnet product create hustl",
        "    carnet license create --product hustl --policy consumer",
        "",
        "  Ctrl-C stops it and finishes what is under way.",
        "",
    ]
    stream.write("\n".join(lines) + "\n")
    stream.flush()


def _version() -> str:
    from carnet._version import __version__

    return __version__
