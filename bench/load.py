"""
A load generator that costs little: one thread, epoll, requests made beforehand, answers read just far enough.

`python -m bench.load` is a process of its own, so that it can be kept on another core than what it drives, and so that
its own CPU is known: a figure that the generator limited says nothing about the server. It knows HTTP/1.1 with a
content length, kept-alive connections and nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import select
import socket
import sys
import time
from array import array
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

_LENGTH = b"content-length: "
_LENGTH_BYTES = 4
_END = b"\r\n\r\n"


def request(method: str, path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """One request as it goes over the wire; what SDKs send, and curl, is about as long."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", "accept: application/json", "user-agent: carnet-bench/1"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method != "GET":
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """Keep *requests* in a file, each behind its length."""
    with path.open("wb") as file:
        for each in requests:
            file.write(len(each).to_bytes(_LENGTH_BYTES, "big") + each)


def read_requests(path: Path) -> list[bytes]:
    """What `write_requests` wrote."""
    content = path.read_bytes()
    found, at = [], 0
    while at < len(content):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(content[at:start], "big")
        found.append(content[start:at])
    return found


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that *share* of *ordered* (not empty) do not exceed: nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Load:
    """
    Asks *port* with *clients* connections, each waiting for its answer before it asks again (a closed loop).

    Args:
        port: On loopback.
        clients: Connections.
        requests: What to send, in this order; from the start again at its end, if `again`.
        again: Whether requests may be sent twice; without it the run ends with the last of them.
    """

    def __init__(self, port: int, clients: int, requests: Sequence[bytes], *, again: bool = True) -> None:
        self._next = iter(cycle(requests) if again else requests)
        self._epoll = select.epoll()
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._epoll.register(client.fileno(), select.EPOLLIN)
            self._clients[client.fileno()] = (client, bytearray())

    def run(self, seconds: float) -> dict[str, Any]:
        """Ask for *seconds*, wait for what is under way; throughput, latencies in ms, own CPU, statuses."""
        sent: dict[int, float] = {}
        taken = array("d")
        statuses: dict[str, int] = {}
        clock = time.perf_counter
        began_cpu, began = time.process_time(), clock()
        until = began + seconds
        for number, (client, _) in self._clients.items():
            first = next(self._next, None)
            if first is not None:
                sent[number] = clock()
                client.sendall(first)
        while sent:
            for number, _ in self._epoll.poll():
                client, received = self._clients[number]
                chunk = client.recv(65536)
                if not chunk:
                    raise ConnectionError("the server closed a connection")
                received += chunk
                status = _answered(received)
                if status is None:
                    continue
                now = clock()
                taken.append(now - sent.pop(number))
                statuses[status] = statuses.get(status, 0) + 1
                received.clear()
                following = next(self._next, None) if now < until else None
                if following is not None:
                    sent[number] = now
                    client.sendall(following)
        spent = clock() - began
        ordered = sorted(taken)
        return {
            "requests": len(ordered),
            "per_second": len(ordered) / spent,
            "p50_ms": percentile(ordered, 0.50) * 1e3,
            "p90_ms": percentile(ordered, 0.90) * 1e3,
            "p99_ms": percentile(ordered, 0.99) * 1e3,
            "max_ms": ordered[-1] * 1e3,
            "generator_cpu": (time.process_time() - began_cpu) / spent,
            "statuses": statuses,
        }

    def close(self) -> None:
        """Close the connections."""
        self._epoll.close()
        for client, _ in self._clients.values():
            client.close()


def _answered(received: bytearray) -> str | None:
    """The status of an answer that is whole, else None."""
    head = received.find(_END)
    if head < 0:
        return None
    at = received.find(_LENGTH, 0, head)
    if at < 0:
        raise ValueError(f"an answer without a length: {bytes(received[:head])!r}")
    end = received.find(b"\r", at)
    if len(received) < head + len(_END) + int(received[at + len(_LENGTH) : end]):
        return None
    return received[9:12].decode()


def main(arguments: Sequence[str]) -> None:
    """Run rounds and print one JSON line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("requests", type=Path, help="a file of `write_requests`")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="send every request once at most")
    parser.add_argument("--skip", type=int, default=0, help="leave out this many of the requests")
    given = parser.parse_args(arguments)
    found = list(islice(read_requests(given.requests), given.skip, None))
    load = Load(given.port, given.clients, found, again=not given.once)
    try:
        for _ in range(given.rounds):
            print(json.dumps(load.run(given.seconds)), flush=True)
    finally:
        load.close()


if __name__ == "__main__":
    main(sys.argv[1:])
