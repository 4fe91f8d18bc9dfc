"""
REL-06: no file descriptors. Connections that are only held cannot keep out those who ask; where nothing can be opened
nobody hangs, nothing is acknowledged that is not durable, and it is over when there are descriptors again.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from support.campaigns import LONG
from support.databases import Kind, on
from support.faults import Running, faults_in
from support.faults_killing import admin_token, rows_of
from support.faults_load import Client, Shop, load
from support.faults_stalls import UNREACHED, Stall, limit, stalled
from support.installations import give_back, settings_in
from support.ledger import Ledger

pytestmark = pytest.mark.timeout(3600 if LONG else 300)

HELD = 200
PLACES = range(-12, 4)
"""Where the limit falls, counted from the descriptors in use: also below what the process cannot do without."""

BUSY = 16
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

SQUEEZES = 200 if LONG else 12


@contextmanager
def held(server: Running, count: int) -> Iterator[None]:
    """Connections that say nothing; the server may close them."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=120))
        yield


@contextmanager
def squeezed(server: Running, most: int) -> Iterator[None]:
    """At most so many descriptors for the length of a `with`."""
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[0]
    limit(server.pid, resource.RLIMIT_NOFILE, most)
    try:
        yield
    finally:
        limit(server.pid, resource.RLIMIT_NOFILE, before)


def test_rel_06_connections_that_are_held_make_room_for_those_who_ask(tmp_path: Path, database: Kind) -> None:
    with stalled(settings_in(tmp_path)) as stall:
        server = stall.servers.running
        assert server is not None
        with squeezed(server, 64), held(server, HELD):
            for number in range(20):
                stall.client.close()  # each comes anew
                stall.again(f"device {number}")
            assert server.descriptors() <= 64
        assert "connections.short" in stall.servers.said()
        stall.client.close()
        assert stall.once("after") == 201
    print(f"REL-06 {database}, {HELD} connections held: {stall.told()}")  # noqa: T201 - the campaign's counts


def test_rel_06_without_descriptors_nobody_hangs_and_it_is_over_when_there_are_some(
    tmp_path: Path, database: Kind
) -> None:
    with stalled(settings_in(tmp_path)) as stall:
        server = stall.servers.running
        assert server is not None
        for place in PLACES:
            stall.again(f"before {place}")
            with squeezed(server, server.descriptors() + place), held(server, 20):
                used = server.cpu_seconds()
                for number in range(3):
                    stall.once(f"on the connection that is there, {place}, {number}", may_be_unreached=True)
                for number in range(3):
                    stall.client.close()
                    stall.once(f"anew, {place}, {number}", may_be_unreached=True)
                assert server.cpu_seconds() - used < 1, "it turns for nothing"
            stall.client.close()
            stall.again(f"after {place}")
        assert stall.tally[UNREACHED] + stall.tally[503] > 0
    print(f"REL-06 {database}, no descriptors at {len(PLACES)} places: {stall.told()}")  # noqa: T201


def test_rel_06_where_every_connection_is_busy_newcomers_are_told_so_at_once(tmp_path: Path) -> None:
    with on("postgres"):
        settings = settings_in(tmp_path)
    assert settings.postgres is not None
    url = settings.postgres.url

    async def story(stall: Stall) -> list[int | str]:
        server = stall.servers.running
        assert server is not None
        busy = [stall.another() for _ in range(BUSY)]
        watching, locking = await asyncpg.connect(url), await asyncpg.connect(url)
        with squeezed(server, 4 * BUSY), ThreadPoolExecutor(BUSY) as threads:  # a quarter of so few is for connections
            transaction = locking.transaction()
            await transaction.start()
            await locking.execute("SELECT 1 FROM licenses FOR UPDATE")
            answers = [threads.submit(each.once, f"device {number}") for number, each in enumerate(busy)]
            while await watching.fetchval(f"{WAITING} AND pg_sleep(0.01) IS NOT NULL") < BUSY:
                pass
            newcomer = stall.another()
            assert await asyncio.to_thread(newcomer.once, "newcomer") == 503
            await transaction.rollback()
            done = [answer.result() for answer in answers]
        for each in (*busy, newcomer):
            each.client.close()
        await watching.close()
        await locking.close()
        return done

    with stalled(settings) as stall:
        stall.client.close()
        assert asyncio.run(story(stall)) == [201] * BUSY, "who was let in is answered"
        assert "newcomers are sent away" in stall.servers.said()
    give_back()


def test_rel_06_seats_on_sqlite_are_changed_without_opening_any_file(tmp_path: Path) -> None:
    with stalled(settings_in(tmp_path)) as stall:
        server = stall.servers.running
        assert server is not None
        with squeezed(server, server.descriptors()):
            assert {stall.once(f"device {number}") for number in range(20)} == {201}


def test_rel_06_squeezed_under_load_nothing_acknowledged_is_lost(tmp_path: Path, database: Kind) -> None:
    settings = settings_in(tmp_path)
    ledger, token = Ledger(), admin_token(settings)
    chance, moment = random.Random(6), threading.Event()  # noqa: S311 - where the limit falls
    with faults_in(settings) as servers:
        server = servers.start()
        opening = Client(servers.target, ledger, token)
        shop = Shop(opening)
        opening.close()
        with load(servers.target, ledger, token, shop):
            for _ in range(SQUEEZES):
                ledger.wait_for(ledger.acknowledged + chance.randint(1, 40))
                with (
                    squeezed(server, server.descriptors() + chance.choice(PLACES)),
                    held(server, chance.randint(0, 40)),
                ):
                    moment.wait(chance.uniform(0, 0.1))
            ledger.wait_for(ledger.acknowledged + 40)
        server.terminate()
        assert ledger.unexpected == []
        assert ledger.compare(rows_of(settings)) == []
    print(f"REL-06 {database}, {SQUEEZES} shortages under load: {ledger.acknowledged} acknowledged, 0 lost")  # noqa: T201


def test_rel_06_tooth_check_a_loop_that_takes_connections_itself_turns_for_nothing_while_newcomers_hang(
    tmp_path: Path,
) -> None:
    with faults_in(settings_in(tmp_path)) as servers:
        server = servers.start("loop accepts")
        client = Client(servers.target, Ledger(), "")
        client.patience_seconds = 3
        used = server.cpu_seconds()
        with squeezed(server, server.descriptors() - 10):
            with pytest.raises(TimeoutError):
                client.once("GET", "/livez")
            while server.cpu_seconds() - used <= 0.05:  # at an idle loop this would not end
                os.sched_yield()


_SHORT_OF_DESCRIPTORS = """
import os, resource, signal, sys, threading
from carnet.server.workers import Workers

before = resource.getrlimit(resource.RLIMIT_NOFILE)

def work(post):
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    post.ready("somewhere")
    os.read(post.lifeline, 1)
    return 0

def first_is_ready(address):
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))  # from now on nothing can be opened
    print(address, flush=True)

def listen():
    sys.stdin.readline()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    while len(workers._running) < 2:
        os.sched_yield()
    print("both run", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

workers = Workers(2, work)
threading.Thread(target=listen, daemon=True).start()
sys.exit(workers.run(first_is_ready))
"""


def test_rel_06_workers_serve_on_where_another_cannot_be_started_and_it_follows_later() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SHORT_OF_DESCRIPTORS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        last_resort = threading.Timer(120, process.kill)
        last_resort.start()
        said = iter(process.stdout.readline, "")
        assert any("worker.not_started" in line for line in said)
        process.stdin.write("there is room again\n")
        process.stdin.flush()
        assert any("both run" in line for line in said)
        assert process.wait(120) == 0
        last_resort.cancel()


def test_rel_06_a_server_for_which_the_system_has_no_process_says_so() -> None:
    script = (
        "import errno, os\n"
        "from carnet.core.errors import CarnetError\n"
        "from carnet.server.workers import Workers\n"
        "def fork(): raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))\n"
        "os.fork = fork\n"
        "try: Workers(2, lambda post: 0).run(print)\n"
        "except CarnetError as error: print(error.code, error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("worker_died The system has no room for a server process (Resource temporarily")
