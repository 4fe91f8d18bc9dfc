"""
Clients that do what vendors and devices do, against a server that may die at any moment, and never give up.

Every request is repeated until it is answered: with an `Idempotency-Key` where it needs one, otherwise by itself. So
at the end everything is known, and a `Ledger` can be held against the database without allowances.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final, TypeAlias

from support.faults_wire import Wire
from support.ledger import Ledger
from support.vendor import fingerprint

_AGAIN: Final = frozenset({409, 429, 500, 502, 503, 507})
_RETRY_SECONDS: Final = 0.05

PATIENCE_SECONDS: Final = 120
"""A request that is not answered in this time hangs: that is never right, whatever happens to the server."""


class Target:
    """Where the server is at the moment: it may be started anew elsewhere."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._port = 0
        self.generation = 0

    def move(self, port: int) -> None:
        """From now on it answers on *port*."""
        with self._changed:
            self._port = port
            self.generation += 1
            self._changed.notify_all()

    def connect(self, seconds: float) -> Wire:
        """A connection to where it is now; a silence of *seconds* is a `TimeoutError`."""
        return Wire(self._port, seconds)

    def wait(self, generation: int) -> None:
        """Until it is somewhere else, or a moment."""
        with self._changed:
            self._changed.wait_for(lambda: self.generation != generation, _RETRY_SECONDS)


class Client:
    """
    One connection that is opened again as often as it takes.

    Attributes:
        attempts: How often something was sent.
        patience_seconds: How long an answer is waited for.
        silence_is_usual: Whether the network between loses things. Otherwise an answer that does not come is a fault.
    """

    def __init__(self, target: Target, ledger: Ledger, token: str) -> None:
        self._target = target
        self._ledger = ledger
        self._token = token
        self._connection: Wire | None = None
        self._generation = 0
        self.attempts = 0
        self.patience_seconds: float = PATIENCE_SECONDS
        self.silence_is_usual = False

    def once(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """
        One request, not repeated.

        Raises:
            OSError: No whole answer came.
        """
        self.attempts += 1
        if self._generation != self._target.generation:  # that server is gone
            self.close()
        sent = {"Content-Type": "application/json", **(headers or {})}
        if path.startswith("/v1/admin"):
            sent["Authorization"] = f"Bearer {self._token}"
        try:
            if self._connection is None:
                self._generation = self._target.generation
                self._connection = self._target.connect(self.patience_seconds)
            status, content = self._connection.ask(
                method, path, sent, b"" if body is None else json.dumps(body).encode()
            )
        except OSError:
            self.close()
            raise
        if self._connection.is_over:
            self.close()
        return status, json.loads(content) if content else {}

    def ask(
        self,
        what: tuple[str, ...],
        method: str,
        path: str,
        body: Any,
        headers: dict[str, str] | None = None,
        *,
        gone: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """
        Ask until there is an answer; it goes into the ledger. None for a refusal, which goes there too.

        Args:
            what: For the ledger.
            method: See `once`, as the next three.
            path: See `once`.
            body: See `once`.
            headers: See `once`.
            gone: What "there is no such lease" says to a repetition: the attempt before was not heard of, and did it.
        """
        self._ledger.asking(*what)
        for attempt in itertools.count(1):
            generation, since = self._target.generation, perf_counter()
            try:
                status, answer = self.once(method, path, body, headers)
            except TimeoutError:
                if not self.silence_is_usual:
                    self._ledger.unexpected.append(f"{what[0]}: no answer in {self.patience_seconds} s")
                continue
            except OSError:
                self._target.wait(generation)
                continue
            if status in _AGAIN and answer.get("retryable", True):
                self._target.wait(generation)
                continue
            if gone is not None and attempt > 1 and answer.get("code") == "lease_not_found":
                answer = gone
            elif status >= 300:
                self._ledger.refused(what, f"{status} {answer.get('code')} {answer.get('detail')}")
                return None
            self._ledger.answered(what, answer, perf_counter() - since)
            return answer
        raise AssertionError

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Shop:
    """The licenses that clients work with."""

    def __init__(self, client: Client, *, product: str = "hustl", count: int = 3) -> None:
        self.product = product
        client.once("POST", "/v1/admin/products", {"id": product})
        self.licenses = []
        for number in range(count):
            wanted = {
                "product": product,
                "policy": "consumer",
                "overrides": {"seat_limit": 100_000},
                "conditions": {"meters": [{"name": "exports", "period": "month"}]},
            }
            made = client.ask(
                ("license", f"shop {number}"), "POST", "/v1/admin/licenses", wanted, {"Idempotency-Key": f"s{number}"}
            )
            assert made is not None, client._ledger.unexpected
            terms = {"terms": {"limit": 100_000}}
            status, answer = client.once("PUT", f"/v1/admin/licenses/{made['id']}/lease-terms", terms)
            assert status == 200, answer
            self.licenses.append(made)


Mixture: TypeAlias = dict[str, int]

CHANGES: Final[Mixture] = {
    "activate": 30,
    "again": 6,
    "refresh": 12,
    "validate": 6,
    "deactivate": 16,
    "claim": 8,
    "renew": 4,
    "release": 6,
    "use": 14,
    "sell": 2,
}
"""Mostly what must not be lost."""

DAILY: Final[Mixture] = {
    "activate": 8,
    "again": 2,
    "refresh": 2,
    "validate": 156,
    "deactivate": 4,
    "claim": 3,
    "renew": 20,
    "release": 2,
    "use": 2,
    "sell": 1,
}
"""What a server does all day: most of it is apps that look and leases that are renewed."""


class Worker:
    """A client with devices, holders and events of its own."""

    def __init__(self, client: Client, shop: Shop, name: str, mixture: Mixture, *, seed: int) -> None:
        self._kinds, self._weights = list(mixture), list(itertools.accumulate(mixture.values()))
        self._client = client
        self._shop = shop
        self._name = name
        self._random = random.Random(seed)  # noqa: S311 - what to ask next
        self._numbers = itertools.count(1)
        self._held: list[tuple[Any, str]] = []
        self._claimed: list[tuple[Any, str, str]] = []

    def step(self) -> None:
        """One request of some kind."""
        kind = self._random.choices(self._kinds, cum_weights=self._weights)[0]
        license_ = self._random.choice(self._shop.licenses)
        base = {"product": self._shop.product, "license_key": license_["key"]}
        name = f"{self._name}-{next(self._numbers)}"
        if kind == "activate" or (kind in {"again", "refresh", "deactivate", "validate"} and not self._held):
            device = fingerprint(name)
            if self._device("activate", license_, device) is not None:
                self._held.append((license_, device))
        elif kind in {"again", "refresh", "validate"}:
            license_, device = self._random.choice(self._held)
            if kind == "validate":
                asked = {**base, "license_key": license_["key"], "device": {"fingerprint": device}}
                self._client.ask(("validate", device), "POST", "/v1/validate", asked)
            else:
                self._device("activate" if kind == "again" else kind, license_, device)
        elif kind == "deactivate":
            license_, device = self._held.pop(self._random.randrange(len(self._held)))
            self._device("deactivate", license_, device)
        elif kind == "claim" or (kind in {"release", "renew"} and not self._claimed):
            asked = {**base, "holder": {"kind": "process", "id": name}, "ttl_seconds": 3600}
            answer = self._client.ask(("lease", license_["id"], name), "POST", "/v1/leases", asked)
            if answer is not None:
                self._claimed.append((license_, name, answer["lease"]["id"]))
        elif kind == "renew":
            license_, holder, lease = self._random.choice(self._claimed)
            asked = {**base, "license_key": license_["key"], "holder": {"kind": "process", "id": holder}}
            asked["ttl_seconds"] = 3600
            self._client.ask(("lease", license_["id"], holder), "PUT", f"/v1/leases/{lease}", asked)
        elif kind == "release":
            license_, holder, lease = self._claimed.pop(self._random.randrange(len(self._claimed)))
            asked = {**base, "license_key": license_["key"], "holder": {"kind": "process", "id": holder}}
            gone = {"lease": {"id": lease}}  # its seat may be another's by the time of a repetition
            self._client.ask(("release", license_["id"], holder), "DELETE", f"/v1/leases/{lease}", asked, gone=gone)
        elif kind == "use":
            asked = {**base, "meter": "exports", "event_id": name, "amount": 3}
            self._client.ask(("use", license_["id"], name), "POST", "/v1/usage", asked)
        else:
            wanted = {"product": self._shop.product, "policy": "consumer"}
            self._client.ask(("license", name), "POST", "/v1/admin/licenses", wanted, {"Idempotency-Key": name})

    def _device(self, call: str, license_: Any, device: str) -> dict[str, Any] | None:
        asked = {
            "product": self._shop.product,
            "license_key": license_["key"],
            "device": {"fingerprint": device, "name": self._name},
        }
        return self._client.ask((call, license_["id"], device), "POST", f"/v1/{call}", asked)


@contextmanager
def load(
    target: Target,
    ledger: Ledger,
    token: str,
    shop: Shop,
    *,
    workers: int = 6,
    seed: int = 1,
    mixture: Mixture = CHANGES,
) -> Iterator[None]:
    """Clients at work for the length of a `with`; at its end each finishes what it is about."""
    stopping = threading.Event()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        client = Client(target, ledger, token)
        worker = Worker(client, shop, f"{seed}-{number}", mixture, seed=seed * 1000 + number)
        try:
            while not stopping.is_set():
                worker.step()
        except BaseException as failure:  # noqa: BLE001 - told to the test
            failures.append(failure)
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(number,), name=f"client {number}") for number in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(120)
    assert not failures, failures
    assert not any(thread.is_alive() for thread in threads), "a request was never answered"
